/* Frames and messages under the sanitizers, in 32 and 64 bits: requests as they are and with harm done to them, in frames as
 * they are and with harm done to those. Nothing is read or written beyond its memory, and an answer survives its own
 * framing. The fuzz targets look deeper; this is for every compiler. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../proto/framing.h"
#include "../proto/smp.h"
#include "eager_service.h"
#include "proto_requests.h"

#define ROUNDS 60000
struct line {
    struct framing_reader reader;
    uint8_t *buffer;
    struct service service;
    uint32_t messages, answers;
};

static void fail(const char *what)
{
    fprintf(stderr, "test_proto: %s\n", what);
    exit(1);
}

static void *memory(size_t size)
{
    void *got = malloc(size > 0 ? size : 1);

    if (got == NULL)
        fail("no memory");
    return got;
}

/* Framed and read again, an answer is what it was. */
static void check_answer(const uint8_t *answer, size_t bytes)
{
    uint8_t *buffer = memory(bytes), out[FRAMING_LINE_BYTES];
    struct framing_reader reader;
    size_t count, got = 0;
    int whole = 0;

    framing_start(&reader, buffer, bytes);
    for (size_t i = 0; (count = framing_line(answer, bytes, i, out)) > 0; i++)
        for (size_t j = 0; j < count; j++)
            whole = framing_push(&reader, out[j], &got);
    if (!whole || got != bytes || memcmp(buffer, answer, bytes) != 0)
        fail("an answer is not what was framed");
    free(buffer);
}

static void receive(struct line *line, size_t bytes, size_t capacity)
{
    uint8_t *message = memory(bytes), *out = memory(capacity);
    size_t answer;

    memcpy(message, line->buffer, bytes);
    answer = smp_receive(&line->service, message, bytes, out, capacity);
    if (answer > capacity)
        fail("an answer is larger than its room");
    line->messages++;
    line->answers += answer > 0;
    if (answer > 0)
        check_answer(out, answer);
    free(message);
    free(out);
}

static void push(struct line *line, const uint8_t *bytes, size_t size, size_t capacity)
{
    for (size_t i = 0; i < size; i++) {
        size_t got = 0;

        if (framing_push(&line->reader, bytes[i], &got))
            receive(line, got, capacity);
    }
}

/* Change, cut or lengthen; gives the new size. */
static size_t harm(struct eager *random, uint8_t *bytes, size_t size, size_t room)
{
    size_t at = size > 0 ? eager_next(random) % size : 0;

    switch (eager_next(random) % 4) {
    case 0:
        bytes[at] = (uint8_t)eager_next(random);
        return size;
    case 1:
        bytes[at] = (uint8_t)(bytes[at] ^ 1u << (eager_next(random) & 7u));
        return size;
    case 2:
        return at;
    default:
        if (size + 1 > room)
            return size;
        memmove(bytes + at + 1, bytes + at, size - at);
        bytes[at] = (uint8_t)eager_next(random);
        return size + 1;
    }
}

static void one_round(struct line *line, struct eager *random)
{
    uint8_t message[PROTO_REQUEST_BYTES], edits[4], out[FRAMING_LINE_BYTES + 1];
    size_t capacity = eager_next(random) % 8 ? SMP_BUFFER_BYTES : eager_next(random) % 100;
    size_t which = eager_next(random), size, count;

    for (size_t i = 0; i < sizeof edits; i++)
        edits[i] = (uint8_t)eager_next(random);
    size = proto_edited(which, edits, eager_next(random) % (sizeof edits + 1), message);
    if (eager_next(random) % 4 == 0)
        size = harm(random, message, size, sizeof message);
    for (size_t i = 0; (count = framing_line(message, size, i, out)) > 0; i++) {
        if (eager_next(random) % 16 == 0)
            count = harm(random, out, count, sizeof out);
        push(line, out, count, capacity);
    }
}

int main(void)
{
    struct eager random = {.mood = 65}, eager = {.mood = 1};
    struct line line = {.service = eager_service(&eager)};

    line.buffer = memory(SMP_BUFFER_BYTES);
    framing_start(&line.reader, line.buffer, SMP_BUFFER_BYTES);
    for (int i = 0; i < ROUNDS; i++)
        one_round(&line, &random);
    free(line.buffer);
    printf("%u messages, %u answers, %u frames lost\n", (unsigned)line.messages, (unsigned)line.answers,
           (unsigned)line.reader.bad);
    if (line.messages < ROUNDS / 2 || line.answers < ROUNDS / 3 || line.reader.bad < ROUNDS / 50)
        fail("too little was tried");
    return 0;
}
