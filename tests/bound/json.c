/* json.encode() and json.decode(). */
#include <jansson.h>
#include <stdlib.h>

#include "state.h"

static void values_survive_the_way_there_and_back(void **state)
{
	RUN("local j = core.json "
	    "for _, text in ipairs{ '[]', '{}', '[[],{}]', '{\"a\":[],\"b\":{}}', 'true', 'false',"
	    "  'null', '[null,1]', '\"x\"', '0', '-1', '9223372036854775807',"
	    "  '-9223372036854775808', '1.5', '0.1', '1e+300', '5e-324', '{\"a\":{\"b\":[1,2]}}',"
	    "  '\"\\\\u0000\"', '\"\\\\u007F\"', '\"\\\\u0085\"', '1.0', '[1.0,2]' } do"
	    "  local back = j.encode(j.decode(text))"
	    "  assert(back:lower() == text:lower(), text .. ' came back as ' .. back)"
	    "end "
	    "assert(math.type(j.decode('1.0')) == 'float' and math.type(j.decode('1')) == "
	    "'integer')"
	    "assert(j.decode('[null]')[1] == j.null and tostring(j.null) == 'null')");
}

static void integers_are_exact_or_an_error(void **state)
{
	RUN("local j = core.json "
	    "assert(j.decode('9223372036854775807') == math.maxinteger)"
	    "assert(j.decode('-9223372036854775808') == math.mininteger)"
	    "for _, big in ipairs{ '9223372036854775808', '-9223372036854775809',"
	    "  '123456789012345678901234567890', '[1e999]' } do"
	    "  local value, message, code = j.decode(big)"
	    "  assert(value == nil and message:find('line 1') and code == 'EBADMSG', big)"
	    "end "
	    "assert(j.encode(math.mininteger) == '-9223372036854775808')");
}

static void numbers_are_the_shortest_that_read_back(void **state)
{
	RUN("local j = core.json "
	    "assert(j.encode(0.1) == '0.1' and j.encode(1e15) == '1e+15')"
	    "assert(j.encode(100.0) == '100.0')"
	    "for _, n in ipairs{ 1/3, 2^53, 2^53 + 2.0, 1e21, 123456.789, -0.0, 5e-324, 1e308 } do"
	    "  local text = j.encode(n)"
	    "  assert(tonumber(text) == n and math.type(tonumber(text)) == 'float', text)"
	    "end");
	assert_raises(*state, "core.json.encode(1/0)", "JSON has no number");
	assert_raises(*state, "core.json.encode{-1/0}", "JSON has no number");
	assert_raises(*state, "core.json.encode{a = 0/0}", "JSON has no number");
}

static void a_bad_text_is_a_failure_with_its_place(void **state)
{
	RUN("local j = core.json "
	    "for text, place in pairs{ ['[1,\\n 2,,]'] = 'line 2, column 4', [''] = 'line 1',"
	    "  ['{\"a\":1'] = 'line 1', ['[1] x'] = 'end of file', ['\"\\xff\"'] = 'line 1',"
	    "  ['{\"a\\\\u0000\":1}'] = 'NUL', ['nul'] = 'line 1', ['[\\0]'] = 'line 1',"
	    "  [\"'x'\"] = 'line 1', ['{1:2}'] = 'line 1', ['\"\\\\ud800\"'] = 'line 1' } do"
	    "  local value, message, code = j.decode(text)"
	    "  assert(value == nil and code == 'EBADMSG', text)"
	    "  assert(message:find(place, 1, true), message)"
	    "end "
	    /* What is quoted of it reaches no terminal as it is. */
	    "local _, message = j.decode('\\27[31m\\155') assert(not "
	    "message:find('[\\0-\\31\\127-\\159]'))");
	assert_raises(*state, "core.json.decode(5)", "string expected");
	assert_raises(*state, "core.json.decode()", "string expected");
}

static void depth_is_bounded_both_ways(void **state)
{
	RUN("local j = core.json "
	    "local function nest(n) return ('['):rep(n) .. (']'):rep(n) end "
	    "assert(j.decode(nest(128)))"
	    "local value, message, code = j.decode(nest(129))"
	    "assert(value == nil and message:find('128 levels') and code == 'EBADMSG')"
	    "assert(j.decode(nest(1000000)) == nil)"
	    "assert(j.decode(('{\"a\":'):rep(1000000)) == nil)"
	    "assert(j.encode(j.decode(nest(128))) == nest(128))");
	assert_raises(*state, "local t = {} for i = 1, 128 do t = {t} end core.json.encode(t)",
	              "128 levels");
	assert_raises(*state, "local t = {} t[1] = t core.json.encode(t)", "contains itself");
	assert_raises(*state, "local t = {} t.a = {b = {t}} core.json.encode(t)",
	              "contains itself");
}

static void tables_are_lists_or_objects(void **state)
{
	RUN("local j = core.json "
	    "assert(j.encode({}) == '[]' and j.encode(j.object{}) == '{}')"
	    "assert(j.encode{b = 1, a = 2, c = {1, {}}} == '{\"a\":2,\"b\":1,\"c\":[1,[]]}')"
	    "assert(j.encode(j.object{[80] = 'x', a = 1}) == '{\"80\":\"x\",\"a\":1}')"
	    "assert(j.encode(j.array{1, 2}) == '[1,2]' and j.encode(nil) == 'null')"
	    "assert(j.encode{{}, {}} == '[[],[]]')"
	    "local t = {} for i = 1, 3 do t[i] = t[1] or {} end assert(j.encode(t) == '[[],[],[]]')"
	    "local record = setmetatable({b = 1, d = 4}, {__fields = {'a', 'b', 'c'}})"
	    "assert(j.encode(record) == '{\"a\":null,\"b\":1,\"c\":null}')");
	assert_raises(*state, "core.json.encode{1, a = 2}", "either a list or an object");
	assert_raises(*state, "core.json.encode{[80] = 1}", "json.object()");
	assert_raises(*state, "core.json.encode{1, nil, nil, nil, 5}", "JSON: a table");
	assert_raises(*state, "core.json.encode{[1.5] = 1}", "neither strings nor");
	assert_raises(*state, "core.json.encode{[true] = 1}", "neither strings nor");
	assert_raises(*state, "core.json.encode(core.json.object{[1] = 1, ['1'] = 2})",
	              "as a number and as a string");
	assert_raises(*state, "core.json.encode(core.json.object{[true] = 1})",
	              "a key is a string");
	assert_raises(*state, "core.json.encode{['\\xff'] = 1}", "a key is not valid UTF-8");
	assert_raises(*state, "core.json.encode(print)", "no form for a function");
	assert_raises(*state, "core.json.encode{io.stdout}", "no form for a userdata");
	assert_raises(*state, "core.json.encode()", "value expected");
	assert_raises(*state, "core.json.encode(setmetatable({}, {__fields = {1}}))",
	              "a list of names");
	assert_raises(*state, "core.json.array(5)", "table expected");
}

static void text_is_valid_utf8_without_controls(void **state)
{
	RUN("local bytes = {} for i = 0, 255 do bytes[i + 1] = string.char(i) end "
	    "local text = core.json.encode(table.concat(bytes))"
	    "assert(utf8.len(text) and not text:find('[\\0-\\31\\127]'))"
	    "assert(core.json.encode('a\\n\\27\\127'):lower() == "
	    "'\"a\\\\u000a\\\\u001b\\\\u007f\"')"
	    "assert(core.json.encode('\\xc2\\x85'):lower() == '\"\\\\u0085\"')"
	    "assert(core.json.decode(core.json.encode('\\xe2\\x80\\xae/\\\\\"')) == "
	    "  '\\xe2\\x80\\xae/\\\\\"')");
}

static void rows_have_every_column_in_order(void **state)
{
	RUN("local kind = { name = 't', columns = { { name = 'z' }, { name = 'a', type = 'integer' "
	    "},"
	    "  { name = 'm', type = 'table' }, { name = 'l', type = 'list' } } }"
	    "local rows = core.rows(kind, { { a = 1 }, { z = 'x', m = {}, l = {} } })"
	    "local j = core.json "
	    "assert(j.encode(rows) == '[{\"z\":null,\"a\":1,\"m\":null,\"l\":null},' .."
	    "  '{\"z\":\"x\",\"a\":null,\"m\":{},\"l\":[]}]')"
	    "assert(j.encode(rows[1]) == '{\"z\":null,\"a\":1,\"m\":null,\"l\":null}')"
	    "assert(j.encode(rows:select('a,z')) == "
	    "'[{\"a\":1,\"z\":null},{\"a\":null,\"z\":\"x\"}]')"
	    "assert(j.encode{ rows = rows:select('a'), row = rows:select('a')[1] } =="
	    "  '{\"row\":{\"a\":1},\"rows\":[{\"a\":1},{\"a\":null}]}')"
	    "local http = j.decode(j.encode(core.services.lookup(80)))"
	    "assert(http.name == 'http' and http.port == 80 and http.source)"
	    "local back = j.decode(j.encode(core.services.list()))"
	    "assert(#back == #core.services.list())");
	assert_raises(*state,
	              "local list = { {} } local rows = core.rows({columns = {{name = 'a'}}}, list)"
	              "list[1].a = rows core.json.encode(rows)",
	              "contains itself");
	assert_raises(*state,
	              "core.json.encode(core.rows({columns = {{name = 'a'}}}, {{a = print}}))",
	              "no form for a function");
}

/* jansson's allocations are made to fail too. */
static void *allocate(size_t size)
{
	return malloc(size);
}

static void every_allocation_may_fail(void **state)
{
	(void)state;
	json_set_alloc_funcs(allocate, free);
	fail_each_allocation_of(
		NULL,
		"rows = core.rows({ columns = { { name = 'a' }, { name = 'b', type = 'table' } } },"
		"  { { a = 'x', b = { 1, { c = 2.5 } } } })",
		"local value, message, code = core.json.decode('[{\"a\":[1,2,{}]},null,\"x\",1.5]')"
		"if not value then return value, message, code end "
		"local text = core.json.encode({ value, rows, rows[1], ('x'):rep(5000) })"
		"value, message, code = core.json.decode('[1,')"
		"assert(value == nil) return message, code");
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_survive_the_way_there_and_back),
		cmocka_unit_test(integers_are_exact_or_an_error),
		cmocka_unit_test(numbers_are_the_shortest_that_read_back),
		cmocka_unit_test(a_bad_text_is_a_failure_with_its_place),
		cmocka_unit_test(depth_is_bounded_both_ways),
		cmocka_unit_test(tables_are_lists_or_objects),
		cmocka_unit_test(text_is_valid_utf8_without_controls),
		cmocka_unit_test(rows_have_every_column_in_order),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("json", tests, open_lua, close_lua);
}
