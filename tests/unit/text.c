/* Text from outside: UTF-8, escapes, JSON strings, widths. */
#include "porthole/text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include "support.h"

/* UTF-8 of any number up to 0x1fffff, surrogates included, so that invalid forms can be made. */
static size_t encode(uint32_t code, char *out)
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}

static bool is_surrogate(uint32_t code)
{
	return code >= 0xd800 && code <= 0xdfff;
}

static void every_character_decodes_to_itself(void **state)
{
	char bytes[4];

	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		uint32_t got;
		size_t count = encode(code, bytes);

		if (is_surrogate(code)) {
			assert_int_equal(ph_text_decode(bytes, count, &got), 1);
			assert_int_equal(got, PH_TEXT_INVALID);
			continue;
		}
		assert_int_equal(ph_text_decode(bytes, count, &got), count);
		assert_int_equal(got, code);
		for (size_t cut = 1; cut < count; cut++) {
			assert_int_equal(ph_text_decode(bytes, cut, &got), 1);
			assert_int_equal(got, PH_TEXT_INVALID);
		}
	}
}

static void overlong_forms_and_codes_beyond_unicode_are_invalid(void **state)
{
	static const char *const invalid[] = {
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"\x80",
		"\xbf",
		"\xc3(",
		"\xe2\x82(",
		"\xf0\x9f\x98(",
	};
	uint32_t code;

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(*invalid); i++) {
		assert_int_equal(ph_text_decode(invalid[i], strlen(invalid[i]), &code), 1);
		assert_int_equal(code, PH_TEXT_INVALID);
	}
}

static void assert_escape(const char *bytes, size_t length, const char *expected)
{
	char out[256];
	size_t count = ph_text_escape(bytes, length, NULL);

	assert_true(count < sizeof(out));
	assert_int_equal(ph_text_escape(bytes, length, out), count);
	out[count] = '\0';
	assert_string_equal(out, expected);
	assert_int_equal(count, strlen(expected));
}

static void what_is_unsafe_becomes_visible(void **state)
{
	(void)state;
	assert_escape("", 0, "");
	assert_escape("plain ~ text\\", 13, "plain ~ text\\");
	assert_escape("a\nb\rc\td", 7, "a\\nb\\rc\\td");
	assert_escape("\0\x1b[2J\x7f", 6, "\\x00\\x1b[2J\\x7f");
	assert_escape("\xc2\x9b"
	              "31m",
	              5, "\\u{009b}31m");
	assert_escape("\xe2\x80\xae"
	              "exe",
	              6, "\\u{202e}exe");
	assert_escape("\xd8\x9c", 2, "\\u{061c}");
	assert_escape("\xe2\x80\xa8\xe2\x81\xa9", 6, "\\u{2028}\\u{2069}");
	assert_escape("\xff\xc3", 2, "\\xff\\xc3");
	assert_escape("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
	assert_escape("gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2", 10, "gr\xc3\xbc\xc3\x9f \xe6\xbc\xa2");
}

static void no_character_reaches_a_terminal_unescaped(void **state)
{
	char bytes[4], out[32];

	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		size_t count = encode(code, bytes);
		size_t length = ph_text_escape(bytes, count, out);

		assert_true(length <= 8 * count);
		assert_int_equal(ph_text_escape(bytes, count, NULL), length);
		for (size_t i = 0; i < length;) {
			uint32_t got;

			i += ph_text_decode(out + i, length - i, &got);
			assert_false(ph_text_is_unsafe(got));
		}
	}
}

static void assert_json(const char *bytes, size_t length, const char *expected)
{
	char out[256];
	size_t count = ph_text_json(bytes, length, NULL);

	assert_int_equal(ph_text_json(bytes, length, out), count);
	assert_int_equal(count, strlen(expected));
	assert_memory_equal(out, expected, count);
}

static void json_strings_are_quoted(void **state)
{
	(void)state;
	assert_json("", 0, "\"\"");
	assert_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	assert_json("\n\t\0\x7f", 4, "\"\\u000a\\u0009\\u0000\\u007f\"");
	assert_json("\xc2\x85\xe2\x80\xae", 5, "\"\\u0085\\u202e\"");
	assert_json("\xff\xed\xa0\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
	assert_json("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"");
}

static void assert_valid_json(const char *bytes, size_t length)
{
	char out[32];
	size_t count = ph_text_json(bytes, length, out);

	assert_true(count <= 6 * length + 2);
	assert_int_equal(ph_text_json(bytes, length, NULL), count);
	assert_true(out[0] == '"' && out[count - 1] == '"');
	for (size_t i = 1; i < count - 1;) {
		uint32_t code;

		i += ph_text_decode(out + i, count - 1 - i, &code);
		assert_false(ph_text_is_unsafe(code));
		assert_int_not_equal(code, '"');
		if (code == '\\') {
			bool hex = out[i] == 'u';

			assert_non_null(strchr("\"\\u", out[i]));
			i += hex ? 5 : 1;
			assert_true(i <= count - 1);
		}
	}
}

static void json_is_valid_for_every_character_and_byte(void **state)
{
	char bytes[4];

	(void)state;
	for (uint32_t code = 0; code <= 0x10ffff; code++)
		assert_valid_json(bytes, encode(code, bytes));
	for (unsigned pair = 0; pair < 0x10000; pair++) {
		bytes[0] = (char)(pair >> 8);
		bytes[1] = (char)pair;
		assert_valid_json(bytes, 2);
	}
}

static void widths_are_those_of_a_terminal(void **state)
{
	(void)state;
	assert_int_equal(ph_text_width("", 0), 0);
	assert_int_equal(ph_text_width("abc", 3), 3);
	assert_int_equal(ph_text_width("\xe6\xbc\xa2\xe5\xad\x97", 6), 4);
	assert_int_equal(ph_text_width("e\xcc\x81", 3), 1);
	assert_int_equal(ph_text_width("\xf0\x9f\x98\x80", 4), 2);
	assert_int_equal(ph_text_width("gr\xc3\xbc\xc3\x9f", 6), 4);
	/* Unsafe ones are as wide as their escapes. */
	assert_int_equal(ph_text_width("\x1b[0m", 4), 7);
	assert_int_equal(ph_text_width("a\nb", 3), 4);
	assert_int_equal(ph_text_width("\xe2\x80\xae", 3), 8);
	assert_int_equal(ph_text_width("\xff", 1), 4);
}

/* Another C library knows another Unicode: a few characters may differ, not more. */
static void widths_agree_with_the_c_library(void **state)
{
	locale_t locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	unsigned known = 0, different = 0;
	locale_t before;
	char bytes[4];

	(void)state;
	if (locale == (locale_t)0) {
		print_message("skipped: this host has no locale C.UTF-8\n");
		skip();
	}
	before = uselocale(locale);
	for (uint32_t code = 0xa0; code <= 0x10ffff; code++) {
		int width = is_surrogate(code) ? -1 : wcwidth((wchar_t)code);

		if (width < 0 || ph_text_is_unsafe(code))
			continue;
		known++;
		different += ph_text_width(bytes, encode(code, bytes)) != (size_t)width;
	}
	uselocale(before);
	freelocale(locale);
	print_message("%u of %u widths differ\n", different, known);
	assert_true(different <= known / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_character_decodes_to_itself),
		cmocka_unit_test(overlong_forms_and_codes_beyond_unicode_are_invalid),
		cmocka_unit_test(what_is_unsafe_becomes_visible),
		cmocka_unit_test(no_character_reaches_a_terminal_unescaped),
		cmocka_unit_test(json_strings_are_quoted),
		cmocka_unit_test(json_is_valid_for_every_character_and_byte),
		cmocka_unit_test(widths_are_those_of_a_terminal),
		cmocka_unit_test(widths_agree_with_the_c_library),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
