/*
 * Text from outside: decoding UTF-8, and what of it is escaped for a terminal and for JSON.
 * Sources: RFC 3629, ECMA-48, Unicode Standard Annex 9, RFC 8259.
 */
#include "porthole/text.h"

#include <string.h>

struct width_range {
	uint32_t first, last;
};

#include "engine/widths.inc"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Where output goes. `out` NULL: it is only counted. */
struct writer {
	char *out;
	size_t length;
};

static void put(struct writer *writer, const char *bytes, size_t length)
{
	if (writer->out != NULL)
		memcpy(writer->out + writer->length, bytes, length);
	writer->length += length;
}

/* Appends `value` in lower-case hexadecimal, `digits` long. */
static void put_hex(struct writer *writer, uint32_t value, int digits)
{
	char text[8];

	for (int i = digits - 1; i >= 0; i--) {
		text[i] = "0123456789abcdef"[value & 15];
		value >>= 4;
	}
	put(writer, text, (size_t)digits);
}

/* The bytes that a character takes by its first byte, with that byte's own bits; 0: it begins none.
 */
static size_t sequence_length(unsigned char first, uint32_t *bits)
{
	if (first < 0x80) {
		*bits = first;
		return 1;
	}
	if (first >= 0xc2 && first <= 0xdf) {
		*bits = first & 0x1f;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*bits = first & 0x0f;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*bits = first & 0x07;
		return 4;
	}
	return 0;
}

size_t ph_text_decode(const char *bytes, size_t length, uint32_t *code)
{
	/* The least code that needs so many bytes: less is an overlong form. */
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t value = 0;
	size_t count = sequence_length((unsigned char)bytes[0], &value);

	*code = PH_TEXT_INVALID;
	if (count == 0 || count > length)
		return 1;
	for (size_t i = 1; i < count; i++) {
		if (((unsigned char)bytes[i] & 0xc0) != 0x80)
			return 1;
		value = value << 6 | ((unsigned char)bytes[i] & 0x3f);
	}
	if (value < least[count] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 1;
	*code = value;
	return count;
}

bool ph_text_is_unsafe(uint32_t code)
{
	if (code < 0x7f)
		return code < 0x20;
	if (code < 0xa0)
		return true;
	/* 2028 and 2029 separate lines and paragraphs; the others are bidi formatting. */
	return code == 0x61c || code == 0x200e || code == 0x200f ||
	       (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	       code == PH_TEXT_INVALID;
}

/* Makes one unsafe character visible. `byte` is what an invalid one consists of. */
static void put_escape(struct writer *writer, uint32_t code, unsigned char byte)
{
	if (code == '\n' || code == '\r' || code == '\t') {
		put(writer, code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t", 2);
	} else if (code < 0x80 || code == PH_TEXT_INVALID) {
		put(writer, "\\x", 2);
		put_hex(writer, byte, 2);
	} else {
		/* No unsafe character lies beyond U+FFFF. */
		put(writer, "\\u{", 3);
		put_hex(writer, code, 4);
		put(writer, "}", 1);
	}
}

/* How many of the bytes from `from` on are printable ASCII, which is most of what there is. */
static size_t plain_run(const char *bytes, size_t from, size_t length)
{
	size_t i = from;

	while (i < length && bytes[i] >= 0x20 && bytes[i] < 0x7f)
		i++;
	return i - from;
}

size_t ph_text_escape(const char *bytes, size_t length, char *out)
{
	struct writer writer = { .out = out };
	size_t i = 0;

	while (i < length) {
		size_t count = plain_run(bytes, i, length);
		uint32_t code;

		if (count > 0) {
			put(&writer, bytes + i, count);
			i += count;
			continue;
		}
		count = ph_text_decode(bytes + i, length - i, &code);
		if (ph_text_is_unsafe(code))
			put_escape(&writer, code, (unsigned char)bytes[i]);
		else
			put(&writer, bytes + i, count);
		i += count;
	}
	return writer.length;
}

static bool in_ranges(const struct width_range *ranges, size_t count, uint32_t code)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && code >= ranges[low].first;
}

static size_t safe_width(uint32_t code)
{
	if (code < no_columns[0].first)
		return 1;
	if (in_ranges(two_columns, COUNT_OF(two_columns), code))
		return 2;
	return in_ranges(no_columns, COUNT_OF(no_columns), code) ? 0 : 1;
}

size_t ph_text_width(const char *bytes, size_t length)
{
	struct writer counter = { 0 };
	size_t i = 0, width = 0;

	while (i < length) {
		size_t count = plain_run(bytes, i, length);
		uint32_t code;

		width += count;
		i += count;
		if (i == length)
			break;
		count = ph_text_decode(bytes + i, length - i, &code);
		if (ph_text_is_unsafe(code))
			put_escape(&counter, code, (unsigned char)bytes[i]);
		else
			width += safe_width(code);
		i += count;
	}
	return width + counter.length;
}

static void put_json(struct writer *writer, uint32_t code, const char *bytes, size_t count)
{
	if (code == '"' || code == '\\') {
		put(writer, "\\", 1);
		put(writer, bytes, 1);
	} else if (code == PH_TEXT_INVALID) {
		put(writer, "\xef\xbf\xbd", 3);
	} else if (ph_text_is_unsafe(code)) {
		put(writer, "\\u", 2);
		put_hex(writer, code, 4);
	} else {
		put(writer, bytes, count);
	}
}

size_t ph_text_json(const char *bytes, size_t length, char *out)
{
	struct writer writer = { .out = out };

	put(&writer, "\"", 1);
	for (size_t i = 0; i < length;) {
		uint32_t code;
		size_t count = ph_text_decode(bytes + i, length - i, &code);

		put_json(&writer, code, bytes + i, count);
		i += count;
	}
	put(&writer, "\"", 1);
	return writer.length;
}
