#include "body.h"

#include <string.h>
#include <zcbor_decode.h>

/* RFC 8949, section 3: the first byte of an item is major type (3 bits) and additional information (5). */
enum major { BYTES = 2, TEXT = 3, LIST = 4, MAP = 5, TAG = 6, SIMPLE = 7 };
enum { ONE_BYTE = 24, EIGHT_BYTES = 27, INDEFINITE = 31, BREAK = 0xff };

#define ENDLESS UINT64_MAX

struct head {
    unsigned major;
    uint64_t value; /* the number, the bytes of a string, the elements of a list (a map: twice its pairs), or ENDLESS */
    bool endless;
};

static uint64_t big_endian(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* Read an item's head; gives where its content begins, NULL: it is none. */
static const uint8_t *read_head(const uint8_t *at, const uint8_t *end, struct head *head)
{
    unsigned info;
    size_t size;

    if (at == end)
        return NULL;
    head->major = (unsigned)*at >> 5;
    info = *at++ & 31u;
    head->endless = info == INDEFINITE;
    if (head->endless) {
        head->value = ENDLESS;
        return head->major == LIST || head->major == MAP ? at : NULL;
    }
    if (info > EIGHT_BYTES)
        return NULL;
    size = info < ONE_BYTE ? 0 : (size_t)1 << (info - ONE_BYTE);
    if (size > (size_t)(end - at))
        return NULL;
    head->value = info < ONE_BYTE ? info : big_endian(at, size);
    return at + size;
}

/* How many bytes the first character has; 0: it is not UTF-8 (RFC 3629, section 4), or cut off. */
static size_t character_bytes(const uint8_t *at, size_t size)
{
    uint8_t first = at[0], low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    size_t bytes = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

    if (bytes > size || (bytes > 1 && (at[1] < low || at[1] > high)))
        return 0;
    for (size_t i = 2; i < bytes; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return bytes;
}

/* How many of the bytes are whole characters. */
static size_t utf8_bytes(const uint8_t *text, size_t size)
{
    size_t at = 0, bytes = 1;

    for (; at < size && bytes > 0; at += bytes)
        bytes = character_bytes(text + at, size - at);
    return at;
}

/* A head whose content, if it is a string, is there as well. *next is behind both. */
static const uint8_t *read_item(const uint8_t *at, const uint8_t *end, struct head *head, const uint8_t **next)
{
    const uint8_t *content = read_head(at, end, head);

    if (content == NULL || head->major == TAG)
        return NULL;
    *next = content;
    if (head->major == BYTES || head->major == TEXT) {
        if (head->value > (uint64_t)(end - content))
            return NULL;
        if (head->major == TEXT && utf8_bytes(content, (size_t)head->value) < head->value)
            return NULL;
        *next = content + head->value;
    } else if ((head->major == LIST || head->major == MAP) && !head->endless) {
        if (head->value > (uint64_t)(end - content)) /* each element takes a byte at least */
            return NULL;
        head->value *= head->major == MAP ? 2 : 1;
    } else if (head->major == SIMPLE && content - at == 2 && head->value < 32) {
        return NULL; /* RFC 8949, 3.3: not well-formed */
    }
    return content;
}

struct open_item {
    uint64_t left; /* elements; ENDLESS: until BREAK */
    bool map, odd; /* odd: a key came whose value did not yet */
};

/* Where the item at `at` ends; NULL: it is not well-formed, or deeper than BODY_DEPTH. */
static const uint8_t *skip(const uint8_t *at, const uint8_t *end)
{
    struct open_item open[BODY_DEPTH + 1] = {{.left = 1}};
    size_t depth = 0;

    for (;;) {
        struct open_item *in = &open[depth];
        struct head head;

        if (in->left == 0 || (in->left == ENDLESS && at != end && *at == BREAK && !in->odd)) {
            at += in->left == ENDLESS;
            if (depth == 0)
                return at;
            depth--;
            continue;
        }
        if (read_item(at, end, &head, &at) == NULL)
            return NULL;
        in->left -= in->left != ENDLESS;
        in->odd = in->map && !in->odd;
        if (head.major != LIST && head.major != MAP)
            continue;
        if (depth == BODY_DEPTH)
            return NULL;
        open[++depth] = (struct open_item){.left = head.value, .map = head.major == MAP};
    }
}

int body_open(struct body *body, const uint8_t *bytes, size_t size)
{
    static const uint8_t empty[] = {0xa0};

    if (size == 0) {
        bytes = empty;
        size = sizeof empty;
    }
    body->bytes = bytes;
    body->end = bytes + size;
    return (unsigned)*bytes >> 5 == MAP && skip(bytes, body->end) == body->end ? 0 : -1;
}

static size_t text_bytes(const char *text)
{
    size_t size = 0;

    while (text[size] != '\0')
        size++;
    return size;
}

/* Where the value of a key begins; NULL: there is none. All is well-formed here. */
static const uint8_t *find(const struct body *body, const char *key)
{
    size_t size = text_bytes(key);
    struct head map, head;
    const uint8_t *at = read_head(body->bytes, body->end, &map), *found = NULL;

    for (uint64_t pairs = 0; at != NULL && at != body->end && (map.endless || pairs < map.value); pairs++) {
        const uint8_t *value, *content;

        if (map.endless && *at == BREAK)
            break;
        content = read_head(at, body->end, &head);
        value = skip(at, body->end);
        if (content == NULL || value == NULL)
            break;
        if (head.major == TEXT && head.value == size && memcmp(content, key, size) == 0)
            found = value;
        at = skip(value, body->end);
    }
    return found;
}

bool body_has(const struct body *body, const char *key)
{
    return find(body, key) != NULL;
}

/* zcbor's state for one value; shorter encodings than the sender's are none of our business. */
static void decoder(zcbor_state_t state[2], const uint8_t *at, const uint8_t *end)
{
    zcbor_new_decode_state(state, 2, at, (size_t)(end - at), 1, NULL, 0);
    state->constant_state->enforce_canonical = false;
}

enum body_found body_uint64(const struct body *body, const char *key, uint64_t *value)
{
    const uint8_t *at = find(body, key);
    zcbor_state_t state[2];
    uint64_t number;

    if (at == NULL)
        return BODY_ABSENT;
    decoder(state, at, body->end);
    if (!zcbor_uint64_decode(state, &number))
        return BODY_WRONG;
    *value = number;
    return BODY_FOUND;
}

enum body_found body_uint32(const struct body *body, const char *key, uint32_t *value)
{
    uint64_t number = 0;
    enum body_found found = body_uint64(body, key, &number);

    if (found == BODY_FOUND && number > UINT32_MAX)
        return BODY_WRONG;
    if (found == BODY_FOUND)
        *value = (uint32_t)number;
    return found;
}

enum body_found body_int32(const struct body *body, const char *key, int32_t *value)
{
    const uint8_t *at = find(body, key);
    zcbor_state_t state[2];
    int64_t number;

    if (at == NULL)
        return BODY_ABSENT;
    decoder(state, at, body->end);
    if (!zcbor_int64_decode(state, &number) || number < INT32_MIN || number > INT32_MAX)
        return BODY_WRONG;
    *value = (int32_t)number;
    return BODY_FOUND;
}

enum body_found body_bool(const struct body *body, const char *key, bool *value)
{
    const uint8_t *at = find(body, key);
    zcbor_state_t state[2];

    if (at == NULL)
        return BODY_ABSENT;
    decoder(state, at, body->end);
    return zcbor_bool_decode(state, value) ? BODY_FOUND : BODY_WRONG;
}

enum body_found body_tstr(const struct body *body, const char *key, struct body_text *value)
{
    const uint8_t *at = find(body, key);
    zcbor_state_t state[2];
    struct zcbor_string text;

    if (at == NULL)
        return BODY_ABSENT;
    decoder(state, at, body->end);
    if (!zcbor_tstr_decode(state, &text))
        return BODY_WRONG;
    *value = (struct body_text){.at = text.value, .size = text.len};
    return BODY_FOUND;
}

enum body_found body_bstr(const struct body *body, const char *key, struct body_text *value)
{
    const uint8_t *at = find(body, key);
    zcbor_state_t state[2];
    struct zcbor_string bytes;

    if (at == NULL)
        return BODY_ABSENT;
    decoder(state, at, body->end);
    if (!zcbor_bstr_decode(state, &bytes))
        return BODY_WRONG;
    *value = (struct body_text){.at = bytes.value, .size = bytes.len};
    return BODY_FOUND;
}

enum body_found body_map(const struct body *body, const char *key, struct body *value)
{
    const uint8_t *at = find(body, key);

    if (at == NULL)
        return BODY_ABSENT;
    if (at == body->end || (unsigned)*at >> 5 != MAP)
        return BODY_WRONG;
    value->bytes = at;
    value->end = skip(at, body->end);
    return value->end != NULL ? BODY_FOUND : BODY_WRONG;
}

enum body_found body_listed(const struct body *body, const char *key, size_t index, uint32_t *value)
{
    const uint8_t *at = find(body, key), *content;
    struct head list;
    zcbor_state_t state[2];

    if (at == NULL)
        return BODY_ABSENT;
    content = read_head(at, body->end, &list);
    if (content == NULL || list.major != LIST)
        return BODY_WRONG;
    if (!list.endless && index >= list.value)
        return BODY_ABSENT;
    for (size_t i = 0; content != NULL && content != body->end && i < index && *content != BREAK; i++)
        content = skip(content, body->end);
    if (content == NULL || content == body->end)
        return BODY_WRONG;
    if (*content == BREAK)
        return BODY_ABSENT;
    decoder(state, content, body->end);
    return zcbor_uint32_decode(state, value) ? BODY_FOUND : BODY_WRONG;
}

static void did(struct body_writer *writer, bool well)
{
    writer->full = writer->full || !well;
}

void body_begin(struct body_writer *writer, uint8_t *out, size_t capacity)
{
    zcbor_new_encode_state(writer->state, BODY_NESTED + 2, out, capacity, 1);
    writer->full = false;
    did(writer, zcbor_map_start_encode(writer->state, BODY_PAIRS));
}

size_t body_end(struct body_writer *writer, const uint8_t *out)
{
    did(writer, !writer->full && zcbor_map_end_encode(writer->state, BODY_PAIRS));
    return writer->full ? 0 : (size_t)(writer->state->payload - out);
}

static void put_string(struct body_writer *writer, const void *at, size_t size, bool text)
{
    struct zcbor_string string = {.value = at, .len = size};

    if (size == 0)
        string.value = (const uint8_t *)""; /* memmove wants an address even for nothing */
    if (text)
        did(writer, !writer->full && zcbor_tstr_encode(writer->state, &string));
    else
        did(writer, !writer->full && zcbor_bstr_encode(writer->state, &string));
}

static void put_key(struct body_writer *writer, const char *key)
{
    if (key != NULL)
        put_string(writer, key, text_bytes(key), true);
}

void body_put_uint(struct body_writer *writer, const char *key, uint64_t value)
{
    put_key(writer, key);
    did(writer, !writer->full && zcbor_uint64_put(writer->state, value));
}

void body_put_number(struct body_writer *writer, uint32_t value)
{
    did(writer, !writer->full && zcbor_uint32_put(writer->state, value));
}

void body_put_bool(struct body_writer *writer, const char *key, bool value)
{
    put_key(writer, key);
    did(writer, !writer->full && zcbor_bool_put(writer->state, value));
}

void body_put_null(struct body_writer *writer, const char *key)
{
    put_key(writer, key);
    did(writer, !writer->full && zcbor_nil_put(writer->state, NULL));
}

void body_put_text(struct body_writer *writer, const char *key, const char *text)
{
    body_put_tstr(writer, key, text, text_bytes(text));
}

void body_put_tstr(struct body_writer *writer, const char *key, const void *text, size_t size)
{
    put_key(writer, key);
    put_string(writer, text, utf8_bytes(text, size), true);
}

void body_put_bstr(struct body_writer *writer, const char *key, const void *bytes, size_t size)
{
    put_key(writer, key);
    put_string(writer, bytes, size, false);
}

void body_put_map(struct body_writer *writer, const char *key)
{
    put_key(writer, key);
    did(writer, !writer->full && zcbor_map_start_encode(writer->state, BODY_PAIRS));
}

void body_put_map_end(struct body_writer *writer)
{
    did(writer, !writer->full && zcbor_map_end_encode(writer->state, BODY_PAIRS));
}

void body_put_list(struct body_writer *writer, const char *key)
{
    put_key(writer, key);
    did(writer, !writer->full && zcbor_list_start_encode(writer->state, BODY_PAIRS));
}

void body_put_list_end(struct body_writer *writer)
{
    did(writer, !writer->full && zcbor_list_end_encode(writer->state, BODY_PAIRS));
}
