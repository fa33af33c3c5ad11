/* Rows: of C structs (the services of the registry) and of Lua tables, by the same methods. */
#include "state.h"

/* Rows of Lua tables that have something of everything. */
#define PREPARE                                                                                 \
	"kind = { name = 'thing', columns = {"                                                  \
	"  { name = 'name', help = 'what it is called', weight = 9 },"                          \
	"  { name = 'size', type = 'integer', unit = 'bytes', alias = 'bytes', weight = 5 },"   \
	"  { name = 'ratio', type = 'number' },"                                                \
	"  { name = 'good', type = 'boolean' },"                                                \
	"  { name = 'address', type = 'address' },"                                             \
	"  { name = 'port', type = 'port' },"                                                   \
	"  { name = 'tags', type = 'list' } } }"                                                \
	"list = {"                                                                              \
	"  { name = 'b', size = 10, ratio = 0.5, good = true, address = '10.0.0.2', port = 80," \
	"    tags = { 'x', 'y' } },"                                                            \
	"  { name = 'a', size = 2, ratio = 1, good = false, address = '9.0.0.1', port = 443 }," \
	"  { name = 'c', size = 10, address = '::ffff:10.0.0.9', port = 8080 },"                \
	"  { name = 'd', address = '2001:db8::1' } }"                                           \
	"rows = core.rows(kind, list, { 'one is missing' })"                                    \
	"function names(r) local t = {} for i, row in ipairs(r) do t[i] = row.name end"         \
	"  return table.concat(t) end "

static int open_rows(void **state)
{
	open_lua(state);
	run(*state, PREPARE);
	return 0;
}

static void rows_are_a_sequence(void **state)
{
	RUN("assert(#rows == 4 and rows[1].name == 'b' and rows[4].name == 'd')"
	    "assert(rows[0] == nil and rows[5] == nil and rows[-1] == nil and rows[1.5] == nil)"
	    "assert(rows[2.0].name == 'a' and rows[true] == nil)"
	    "assert(names(rows) == 'bacd')"
	    "local n = 0 for i, row in pairs(rows) do n = n + 1 assert(rows[i] == row) end "
	    "assert(n == 4)"
	    "local a, b = table.unpack(rows, 1, 2) assert(a.name .. b.name == 'ba')"
	    "assert(select('#', table.unpack(rows)) == 4)");
}

static void rows_can_be_sorted_in_place(void **state)
{
	RUN("local r = rows:where{}"
	    "table.sort(r, function(a, b) return a.name < b.name end)"
	    "assert(names(r) == 'abcd' and names(rows) == 'bacd')"
	    "r[1] = rows[4] assert(names(r) == 'dbcd')");
	assert_raises(*state, "rows[5] = rows[1]", "rows neither grow");
	assert_raises(*state, "rows[0] = rows[1]", "rows neither grow");
	assert_raises(*state, "rows.x = 1", "rows neither grow");
	assert_raises(*state, "rows[1] = {}", "only a row of the same rows");
	assert_raises(*state, "rows[1] = nil", "only a row of the same rows");
	assert_raises(*state, "rows[1] = core.services.lookup(80)", "only a row of the same rows");
}

static void a_row_has_its_columns_as_fields(void **state)
{
	RUN("local row = rows[1]"
	    "assert(row.size == 10 and row.bytes == 10 and row.ratio == 0.5 and row.good == true)"
	    "assert(row.tags[2] == 'y' and rows[4].size == nil)"
	    "local keys = {} for name, value in pairs(row) do keys[#keys + 1] = name end "
	    "assert(table.concat(keys, ' ') == 'name size ratio good address port tags')"
	    "keys = {} for name, value in pairs(rows[4]) do keys[#keys + 1] = name end "
	    "assert(table.concat(keys, ' ') == 'name address')"
	    "assert(rows[1] == rows[1] and rows[1] ~= rows[2] and rows[1] ~= 5)"
	    "assert(rows:sort('name')[2] == rows[1])"
	    "assert(core.rows(kind, list)[1] ~= rows[1])");
	assert_raises(*state, "return rows[1].nmae",
	              "no column 'nmae' in a thing; did you mean "
	              "'name'?");
	assert_raises(*state, "return rows[1].zzz", "no column 'zzz' in a thing");
	assert_raises(*state, "return rows[1][1]", "by name, not by number");
	assert_raises(*state, "rows[1].name = 'x'", "cannot be set");
	assert_raises(*state, "return rows:wher{}",
	              "no method 'wher' of thing rows; did you mean "
	              "'where'?");
	assert_raises(*state, "return rows.name", "no method 'name'");
}

static void rows_say_what_they_are(void **state)
{
	RUN("assert(tostring(rows) == 'thing rows: 4')"
	    "assert(tostring(rows[1]) == 'thing name=b size=10')"
	    "list[1].name = 'x\\27[31m' assert(tostring(rows[1]):find('\\\\x1B', 1, true) or"
	    "  tostring(rows[1]):find('\\\\x1b', 1, true)) list[1].name = 'b'"
	    "assert(rows.partial[1] == 'one is missing' and #core.rows(kind, {}).partial == 0)"
	    "local c = rows.columns assert(#c == 7)"
	    "assert(c[2].name == 'size' and c[2].type == 'integer' and c[2].unit == 'bytes')"
	    "assert(c[2].alias == 'bytes' and c[2].weight == 5 and c[1].help:find('called'))"
	    "assert(getmetatable(rows) == false and getmetatable(rows[1]) == false)");
}

static void columns_are_selected_in_the_given_order(void **state)
{
	RUN("for _, r in ipairs{ rows:select('size,name'), rows:select{'size', 'name'},"
	    "                    rows:select('bytes', 'name'), rows:select(' size, name') } do"
	    "  assert(#r.columns == 2 and r.columns[1].name == 'size' and r[1].size == 10)"
	    "  local keys = {} for k in pairs(r[1]) do keys[#keys + 1] = k end "
	    "  assert(table.concat(keys, ' ') == 'size name')"
	    "  assert(#r:sort('name') == 4 and #r:where{name = 'a'} == 1)"
	    "end");
	assert_raises(*state, "return rows:select('name')[1].size", "no column 'size'");
	assert_raises(*state, "rows:select('nam')", "did you mean 'name'?");
	assert_raises(*state, "rows:select('name,name')", "twice");
	assert_raises(*state, "rows:select('bytes,size')", "twice");
	assert_raises(*state, "rows:select()", "columns to select expected");
	assert_raises(*state, "rows:select(',')", "no column is selected");
	assert_raises(*state, "rows:select{1}", "columns to select are names, not number");
	assert_raises(*state, "rows:select{}", "no column is selected");
}

static void sorting_is_stable_and_unknown_comes_last(void **state)
{
	RUN("assert(names(rows:sort('size')) == 'abcd')"
	    "assert(names(rows:sort('-size')) == 'bcad')"
	    "assert(names(rows:sort('-size', '-name')) == 'cbad')"
	    "assert(names(rows:sort{'-size', '-name'}) == 'cbad')"
	    "assert(names(rows:sort('good')) == 'abcd')"
	    /* By value: 9 before 10, IPv4 before IPv6, and as text neither. */
	    "assert(names(rows:sort('address')) == 'abcd')"
	    "assert(names(rows:sort('-address')) == 'dcba')"
	    "assert(names(rows:sort(function(a, b) return a.port and b.port and a.port > b.port"
	    "  end)) == 'cabd')"
	    "assert(names(rows) == 'bacd')"
	    "assert(names(rows:sort('size'):sort('name')) == 'abcd')");
	assert_raises(*state, "rows:sort('siz')", "did you mean 'size'?");
	assert_raises(*state, "rows:sort()", "columns to sort by expected");
	assert_raises(*state, "rows:sort(function() error('mine') end)", "mine");
}

static void a_lawless_comparison_ends(void **state)
{
	RUN("local many = {} for i = 1, 1000 do many[i] = { name = 'n', size = i } end "
	    "local r = core.rows(kind, many)"
	    "assert(#r:sort(function() return true end) == 1000)"
	    "assert(#r:sort(function() return math.random() < 0.5 end) == 1000)"
	    "local s = r:sort('-size') for i = 1, 1000 do assert(s[i].size == 1001 - i) end");
}

static void where_takes_values_lists_and_functions(void **state)
{
	RUN("assert(names(rows:where{name = 'a'}) == 'a')"
	    "assert(names(rows:where{name = {'a', 'c', 'z'}}) == 'ac')"
	    "assert(names(rows:where{size = 10}) == 'bc' and names(rows:where{bytes = 10}) == 'bc')"
	    "assert(names(rows:where{size = 10, good = true}) == 'b')"
	    "assert(names(rows:where{good = false}) == 'a')"
	    "assert(names(rows:where{ratio = 1}) == 'a' and names(rows:where{ratio = 0.5}) == 'b')"
	    "assert(names(rows:where{}) == 'bacd' and names(rows:where{name = {}}) == '')"
	    "assert(names(rows:where(function(r) return r.port and r.port > 100 end)) == 'ac')"
	    "assert(names(rows:where{name = 'a'}:where{size = 10}) == '')");
}

static void numbers_are_filtered_by_range(void **state)
{
	RUN("assert(names(rows:where{port = '1-443'}) == 'ba')"
	    "assert(names(rows:where{port = '80,8000-9000'}) == 'bc')"
	    "assert(names(rows:where{port = {'80', 8080.0}}) == 'bc')"
	    "assert(names(rows:where{size = '-5-9'}) == 'a' and names(rows:where{size = '2'}) == "
	    "'a')"
	    "assert(names(rows:where{port = '0-65535'}) == 'bac')");
	assert_raises(*state, "rows:where{port = 65536}", "takes a port from 0 to 65535");
	assert_raises(*state, "rows:where{port = -1}", "takes a port");
	assert_raises(*state, "rows:where{port = '9-1'}", "takes a port");
	assert_raises(*state, "rows:where{port = '80,'}", "takes a port");
	assert_raises(*state, "rows:where{port = ''}", "takes a port");
	assert_raises(*state, "rows:where{port = 1.5}", "takes a port");
	assert_raises(*state, "rows:where{port = {}, size = '99999999999999999999'}",
	              "takes an integer");
	assert_raises(*state, "rows:where{port = '1\\0-2'}", "takes a port");
}

static void addresses_are_filtered_by_prefix(void **state)
{
	RUN("assert(names(rows:where{address = '10.0.0.0/8'}) == 'bc')"
	    "assert(names(rows:where{address = '10.0.0.2'}) == 'b')"
	    "assert(names(rows:where{address = '::ffff:10.0.0.2'}) == 'b')"
	    "assert(names(rows:where{address = '10.0.0.9'}) == 'c')"
	    "assert(names(rows:where{address = '0.0.0.0/0'}) == 'bac')"
	    "assert(names(rows:where{address = '::/0'}) == 'cd')"
	    "assert(names(rows:where{address = '2001:DB8:0::1'}) == 'd')"
	    "assert(names(rows:where{address = {'9.0.0.0/9', '2001:db8::/33'}}) == 'ad')"
	    "assert(names(rows:where{address = '10.0.0.0/30'}) == 'b')");
	assert_raises(*state, "rows:where{address = '10.0.0'}", "takes an IP address or a prefix");
	assert_raises(*state, "rows:where{address = '10.0.0.0/33'}", "a prefix");
	assert_raises(*state, "rows:where{address = '10.0.0.0/-1'}", "a prefix");
	assert_raises(*state, "rows:where{address = '10.0.0.0/'}", "a prefix");
	assert_raises(*state, "rows:where{address = '::/129'}", "a prefix");
	assert_raises(*state, "rows:where{address = 5}", "a prefix");
	assert_raises(*state, "rows:where{address = '10.0.0.1\\0'}", "a prefix");
}

static void a_wrong_filter_is_named(void **state)
{
	assert_raises(*state, "rows:where{nmae = 'a'}",
	              "unknown filter 'nmae'; did you mean 'name'?");
	assert_raises(*state, "rows:where{whatever = 'a'}", "unknown filter 'whatever'");
	assert_raises(*state, "rows:where{'a'}", "filters have names, not number");
	assert_raises(*state, "rows:where{name = 5}", "filter 'name' takes text, not '5'");
	assert_raises(*state, "rows:where{good = 'yes'}", "takes true or false");
	assert_raises(*state, "rows:where{ratio = 'much'}", "takes a number");
	assert_raises(*state, "rows:where{tags = 'x'}", "'tags' is a list, which no filter takes");
	assert_raises(*state, "rows:where{name = {a = 1}}", "a value or a list of values");
	assert_raises(*state, "rows:where('name')", "table expected");
	assert_raises(*state, "core.services.list():where{source = 'iann'}",
	              "filter 'source' cannot be 'iann'; did you mean 'iana'?");
	assert_raises(*state, "core.services.list():where{source = 'somewhere'}",
	              "it is one of user, etc, iana");
	assert_raises(*state, "rows:where(core.json.null)", "table expected");
}

static void methods_of_the_lua_module_are_found(void **state)
{
	RUN("assert(rows:count() == 4 and rows:count{size = 10} == 2)"
	    "assert(rows:first().name == 'b' and #rows:first(2) == 2)"
	    "assert(table.concat(rows:map(function(r) return r.name end)) == 'bacd')"
	    "local g = rows:group('size') assert(#g == 3 and g[1].count == 2)"
	    "assert(rows:json():find('\"size\":10', 1, true) and rows:csv():find('name'))");
}

static void names_for_completion_come_without_reading(void **state)
{
	RUN("local function has(list, name) for _, n in ipairs(list) do if n == name then"
	    "  return true end end return false end "
	    "local n = core.names(rows)"
	    "assert(has(n, 'where') and has(n, 'json') and has(n, 'partial') and has(n, 'columns'))"
	    "assert(not has(core.names(rows, true), 'partial'))"
	    "assert(has(core.names(rows[1]), 'size') and not has(core.names(rows[1]), 'where'))"
	    "assert(#core.names(rows[1], true) == 0)"
	    "assert(core.names(5) == nil and core.names({}) == nil and core.names('x') == nil)"
	    "local seen = {} for _, name in ipairs(n) do assert(not seen[name]) seen[name] = 1 "
	    "end");
}

static void rows_are_picked_by_position(void **state)
{
	RUN("assert(names(core.pick(rows, { 4, 1, 1 })) == 'dbb' and #core.pick(rows, {}) == 0)");
	assert_raises(*state, "core.pick(rows, { 5 })", "not a position");
	assert_raises(*state, "core.pick(rows, { 0 })", "not a position");
	assert_raises(*state, "core.pick(rows, { 'x' })", "not a position");
	assert_raises(*state, "core.pick({}, { 1 })", "rows expected");
}

static void fields_of_other_types_are_no_danger(void **state)
{
	RUN("for _, bad in ipairs{ 5, 1.5, true, 'text', {}, print, coroutine.create(print),"
	    "                      io.stdout, 0/0, 'x\\0y' } do"
	    "  for _, c in ipairs(kind.columns) do list[2][c.name] = bad end "
	    "  for _, c in ipairs(kind.columns) do"
	    "    rows:sort(c.name) rows:sort('-' .. c.name)"
	    "    assert(rawequal(rows[2][c.name], bad) or bad ~= bad)"
	    "  end "
	    "  rows:where{ name = 'text', size = 5, ratio = 1.5, good = true,"
	    "    address = '10.0.0.1', port = 5 }"
	    "  tostring(rows[2])"
	    "end "
	    "for k in pairs(list[1]) do list[1][k] = nil end "
	    "assert(next(list[1]) == nil and rows[1].name == nil)"
	    "list[3] = nil collectgarbage() assert(rows[3].name == 'c')");
}

static void a_wrong_type_of_rows_is_named(void **state)
{
	assert_raises(*state, "core.rows({}, {})", "no table of columns");
	assert_raises(*state, "core.rows({columns = {}}, {})", "no columns");
	assert_raises(*state, "core.rows({columns = {{}}}, {})", "a column has no name");
	assert_raises(*state, "core.rows({columns = {5}}, {})", "a column is a table");
	assert_raises(*state, "core.rows({columns = {{name = 'x', type = 'y'}}}, {})",
	              "unknown type 'y'");
	assert_raises(*state, "core.rows({columns = {{name = 'x'}, {name = 'x'}}}, {})",
	              "two columns are called 'x'");
	assert_raises(*state, "core.rows({columns = {{name = 'x', help = 5}}}, {})", "is text");
	assert_raises(*state, "core.rows(kind, {5})", "row 1 is no table but number");
	assert_raises(*state, "core.rows(kind, {}, {5})", "reasons are sentences");
	assert_raises(*state, "core.rows(kind, {}, 'x')", "a list of reasons");
	assert_raises(*state, "core.rows(kind)", "table expected");
}

static void rows_outlive_what_they_came_from(void **state)
{
	RUN("collectgarbage('generational')"
	    "for i = 1, 200 do"
	    "  local r = core.rows({ name = 't', columns = { { name = 'n' .. i } } },"
	    "    { { ['n' .. i] = 'v' .. i } })"
	    "  local row = r:where{}:sort('n' .. i)[1] r = nil collectgarbage('step')"
	    "  assert(row['n' .. i] == 'v' .. i)"
	    "end "
	    "collectgarbage('incremental', 10, 10000)"
	    "local row = core.services.list():where{port = 80}:select('name')[1]"
	    "for i = 1, 50 do local t = core.services.list():sort('-port') end "
	    "collectgarbage() collectgarbage() assert(row.name == 'http')");
}

static void rows_of_c_structs_do_the_same(void **state)
{
	RUN("local s = core.services.list() assert(#s > 10000)"
	    "local web = s:where{port = {80, 443}, proto = 'tcp'}:sort('-port')"
	    "assert(web[1].port == 443 and web[#web].port == 80)"
	    "assert(#s:where{port = '80'} == #s:where{port = 80})"
	    "local last = -1 for _, row in ipairs(s:sort('port')) do"
	    "  assert(row.port >= last) last = row.port end "
	    "assert(#s.partial == 0 and type(web[1].aliases) == 'table')");
	assert_raises(*state, "return core.services.list()[1].protoo", "did you mean 'proto'?");
	assert_raises(*state, "return core.services.list()[1].bogus", "in a service");
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	fail_each_allocation_of(
		NULL, PREPARE "require 'porthole.rows'",
		"local r = core.rows(kind, list, { 'a reason' })"
		"r = r:where{size = {'1-20', 5}, address = '10.0.0.0/8', name = {'b', 'c'}}"
		"r = r:sort('name', '-size'):select('name,size,address')"
		"local t = { tostring(r), tostring(r[1]), r.columns, r.partial, core.names(r) }"
		"for k, v in pairs(r[1]) do t[#t + 1] = v end "
		"t = r:where(function(row) return row.name end):sort(function(a, b) "
		"  return a.name > b.name end)"
		"core.pick(r, { 1 }) pcall(function() return r[1].nmae end)"
		"return true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_a_sequence),
		cmocka_unit_test(rows_can_be_sorted_in_place),
		cmocka_unit_test(a_row_has_its_columns_as_fields),
		cmocka_unit_test(rows_say_what_they_are),
		cmocka_unit_test(columns_are_selected_in_the_given_order),
		cmocka_unit_test(sorting_is_stable_and_unknown_comes_last),
		cmocka_unit_test(a_lawless_comparison_ends),
		cmocka_unit_test(where_takes_values_lists_and_functions),
		cmocka_unit_test(numbers_are_filtered_by_range),
		cmocka_unit_test(addresses_are_filtered_by_prefix),
		cmocka_unit_test(a_wrong_filter_is_named),
		cmocka_unit_test(methods_of_the_lua_module_are_found),
		cmocka_unit_test(names_for_completion_come_without_reading),
		cmocka_unit_test(rows_are_picked_by_position),
		cmocka_unit_test_setup_teardown(fields_of_other_types_are_no_danger, open_rows,
		                                close_lua),
		cmocka_unit_test(a_wrong_type_of_rows_is_named),
		cmocka_unit_test(rows_outlive_what_they_came_from),
		cmocka_unit_test(rows_of_c_structs_do_the_same),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("rows", tests, open_rows, close_lua);
}
