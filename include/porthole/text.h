/*
 * Text from outside is bytes. This is the one place that decides what of it may reach a terminal or
 * a file. UTF-8 per RFC 3629; control characters C0, DEL and C1 (ECMA-48); bidirectional formatting
 * characters (Unicode Standard Annex 9).
 */
#ifndef PORTHOLE_TEXT_H
#define PORTHOLE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decodes one character. Returns its length in bytes, 1 to 4, with `*code` set; for a byte that
 * begins no valid UTF-8 character it returns 1 with `*code` = PH_TEXT_INVALID. `length` > 0.
 */
#define PH_TEXT_INVALID UINT32_MAX
size_t ph_text_decode(const char *bytes, size_t length, uint32_t *code);

/* Must not reach a terminal as it is: controls, bidi formatting, line and paragraph separators,
 * invalid bytes. */
bool ph_text_is_unsafe(uint32_t code);

/*
 * Writes `bytes` to `out` with each unsafe character made visible: \n \r \t and others as \xNN by
 * byte (controls below U+0080 and invalid bytes), \u{NNNN} for the rest. A backslash stays as it
 * is. At most 8 bytes come for one. Returns the length; `out` NULL: only counts.
 */
size_t ph_text_escape(const char *bytes, size_t length, char *out);

/* Columns on a terminal: 2 for East Asian wide, 0 for combining, as wcwidth(3) has it in a UTF-8
 * locale; unsafe counts as its escape. */
size_t ph_text_width(const char *bytes, size_t length);

/*
 * Writes a JSON string with its quotes (RFC 8259): controls, DEL, C1 and bidi formatting as \u00XX
 * or \uXXXX, an invalid byte as U+FFFD. Always valid UTF-8. At most 6 bytes come for one, and two
 * quotes. Returns the length; `out` NULL: only counts.
 */
size_t ph_text_json(const char *bytes, size_t length, char *out);

#endif
