/* The body of an SMP message: one CBOR map with text keys, read by key and written in order. Values are coded by zcbor's
 * primitives.
 *
 * Reading: the whole body is walked once, with bounded depth and without recursion (zcbor_any_skip recurses as deep as a
 * message says), before anything in it is looked at. After that every place in it is known to be well-formed. Maps and lists
 * may be definite or indefinite, keys in any order, unknown ones are skipped, of equal ones the last counts. Tags, strings in
 * pieces and text that is not UTF-8 are refused. A body of no bytes is an empty map, as Zephyr has it. edged/mcu/body.py takes
 * and refuses the same.
 *
 * Writing: keys in the order of canonical CBOR (RFC 7049, 3.9: the shorter first, then by bytes) are the caller's care. Text
 * ends before a character that is not UTF-8, such as one that a buffer cut in two. A writer that ran out of room stays `full`,
 * whatever is written after. */
#ifndef EDGED_BODY_H
#define EDGED_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zcbor_encode.h>

#define BODY_DEPTH 8 /* of lists and maps in a request, the body itself included */

struct body {
    const uint8_t *bytes;
    const uint8_t *end;
};

struct body_text { /* or bytes; not terminated */
    const uint8_t *at;
    size_t size;
};

enum body_found { BODY_ABSENT = 0, BODY_FOUND = 1, BODY_WRONG = -1 };

/* Check that the bytes are one such map and nothing else. 0, or -1. */
int body_open(struct body *body, const uint8_t *bytes, size_t size);

/* Whether there is such a key. */
bool body_has(const struct body *body, const char *key);

/* The value of a key. BODY_WRONG: it is there, of another type or beyond the range; *value is then as it was, and so it is
 * when the key is absent. */
enum body_found body_uint32(const struct body *body, const char *key, uint32_t *value);
enum body_found body_uint64(const struct body *body, const char *key, uint64_t *value);
enum body_found body_int32(const struct body *body, const char *key, int32_t *value);
enum body_found body_bool(const struct body *body, const char *key, bool *value);
enum body_found body_tstr(const struct body *body, const char *key, struct body_text *value);
enum body_found body_bstr(const struct body *body, const char *key, struct body_text *value);
enum body_found body_map(const struct body *body, const char *key, struct body *value);

/* Element number `index` of a list of small numbers. BODY_ABSENT: the key is not there, or the list ends before. */
enum body_found body_listed(const struct body *body, const char *key, size_t index, uint32_t *value);

#define BODY_NESTED 3 /* maps and lists one in the other, the body itself included */

struct body_writer {
    zcbor_state_t state[BODY_NESTED + 2]; /* as zcbor wants it: the state, its backups, what they have in common */
    bool full;
};

/* Begin the map. */
void body_begin(struct body_writer *writer, uint8_t *out, size_t capacity);

/* End it; gives its bytes, 0 when there was no room. */
size_t body_end(struct body_writer *writer, const uint8_t *out);

void body_put_uint(struct body_writer *writer, const char *key, uint64_t value);
void body_put_bool(struct body_writer *writer, const char *key, bool value);
void body_put_null(struct body_writer *writer, const char *key);
void body_put_text(struct body_writer *writer, const char *key, const char *text);
void body_put_tstr(struct body_writer *writer, const char *key, const void *text, size_t size);
void body_put_bstr(struct body_writer *writer, const char *key, const void *bytes, size_t size);

/* Maps and lists in it, of at most BODY_PAIRS pairs or elements; key is NULL in a list. */
#define BODY_PAIRS 23
void body_put_map(struct body_writer *writer, const char *key);
void body_put_map_end(struct body_writer *writer);
void body_put_list(struct body_writer *writer, const char *key);
void body_put_list_end(struct body_writer *writer);
void body_put_number(struct body_writer *writer, uint32_t value); /* in a list */

#endif
