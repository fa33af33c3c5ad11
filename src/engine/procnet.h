/* Texts of /proc/net: how they are read, and cut into lines and fields. Of the engine's own. */
#ifndef ENGINE_PROCNET_H
#define ENGINE_PROCNET_H

#include <stdint.h>
#include <string.h>

#include "porthole/context.h"

/*
 * Reads /proc/net/NAME of this thread's network namespace: thread-self/net/NAME, or net/NAME in a
 * tree without thread-self. Returns 1, 0 where there is no such file (`*text` NULL), or -errno with
 * `error` filled: -EFBIG (over 64 MiB), -ENOMEM, -ECANCELED, -EACCES. The caller frees the text.
 */
int ph_procnet_read(struct ph_context *context, const char *name, char **text, size_t *length,
                    struct ph_error *error);

/* A part of a text that is not NUL-terminated. */
struct span {
	const char *bytes;
	size_t length;
};

/* Cuts the next line off `rest`, without its newline. False: nothing is left. */
static inline bool next_line(struct span *rest, struct span *line)
{
	const char *newline;

	if (rest->length == 0)
		return false;
	newline = memchr(rest->bytes, '\n', rest->length);
	line->bytes = rest->bytes;
	line->length = newline == NULL ? rest->length : (size_t)(newline - rest->bytes);
	rest->bytes += line->length + (newline != NULL);
	rest->length -= line->length + (newline != NULL);
	return true;
}

/* Cuts the next field, which blanks and tabs end, off `line`. False: none is left. */
static inline bool next_field(struct span *line, struct span *field)
{
	size_t start = 0, end;

	while (start < line->length && (line->bytes[start] == ' ' || line->bytes[start] == '\t'))
		start++;
	for (end = start; end < line->length && line->bytes[end] != ' ' && line->bytes[end] != '\t';
	     end++)
		;
	*field = (struct span){ line->bytes + start, end - start };
	line->bytes += end;
	line->length -= end;
	return field->length > 0;
}

static inline bool span_is(struct span span, const char *text)
{
	return span.length == strlen(text) && memcmp(span.bytes, text, span.length) == 0;
}

/* The value of a digit in hexadecimal, or 16. */
static inline unsigned digit_value(char digit)
{
	if (digit >= '0' && digit <= '9')
		return (unsigned)(digit - '0');
	if (digit >= 'a' && digit <= 'f')
		return (unsigned)(digit - 'a') + 10;
	if (digit >= 'A' && digit <= 'F')
		return (unsigned)(digit - 'A') + 10;
	return 16;
}

/* A number that is the whole span and at most `most`. */
static inline bool span_number(struct span span, unsigned base, uint64_t most, uint64_t *value)
{
	uint64_t number = 0;

	if (span.length == 0)
		return false;
	for (size_t i = 0; i < span.length; i++) {
		unsigned digit = digit_value(span.bytes[i]);

		if (digit >= base || number > (UINT64_MAX - digit) / base)
			return false;
		number = number * base + digit;
	}
	*value = number;
	return number <= most;
}

static inline bool span_u32(struct span span, unsigned base, uint32_t *value)
{
	uint64_t number;

	if (!span_number(span, base, UINT32_MAX, &number))
		return false;
	*value = (uint32_t)number;
	return true;
}

/* The next field as a number of 32 bits. */
static inline bool next_u32(struct span *line, unsigned base, uint32_t *value)
{
	struct span field;

	return next_field(line, &field) && span_u32(field, base, value);
}

/* 32 digits: an IPv6 address in network byte order. */
static inline bool span_ipv6(struct span span, uint8_t address[16])
{
	if (span.length != 32)
		return false;
	for (size_t i = 0; i < 16; i++) {
		unsigned high = digit_value(span.bytes[2 * i]);
		unsigned low = digit_value(span.bytes[2 * i + 1]);

		if (high > 15 || low > 15)
			return false;
		address[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

/* 8 digits: an IPv4 address, which the kernel prints as a number of this machine's byte order. */
static inline bool span_ipv4(struct span span, uint8_t address[4])
{
	uint32_t value;

	if (span.length != 8 || !span_u32(span, 16, &value))
		return false;
	memcpy(address, &value, sizeof(value));
	return true;
}

/* A name of at most `size` - 1 bytes, without NULs. */
static inline bool span_name(struct span span, char *name, size_t size)
{
	if (span.length == 0 || span.length >= size || memchr(span.bytes, '\0', span.length))
		return false;
	memset(name, 0, size);
	memcpy(name, span.bytes, span.length);
	return true;
}

#endif
