/* The invariant: whatever bytes come over the line, the reader writes only into its buffer, and gives only messages that
 * fit into it; each goes through smp_receive, and what that answers, once framed, is read back as it was.
 *
 * The first byte chooses the buffer's size and what the service answers. What follows is a script, since no fuzzer guesses a
 * CRC: a byte n below 128 sends the next n bytes as they are. One of 128 + n frames a known request, which the next byte
 * chooses, with n bytes of edits to it. */
#include <stdlib.h>
#include <string.h>

#include "../proto/framing.h"
#include "../proto/smp.h"
#include "eager_service.h"
#include "proto_requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The message, framed and read again, is the message. */
static void check_there_and_back(const uint8_t *message, size_t bytes)
{
    static uint8_t buffer[SMP_BUFFER_BYTES];
    uint8_t line[FRAMING_LINE_BYTES];
    struct framing_reader reader;
    size_t count, got = 0;
    int whole = 0;

    framing_start(&reader, buffer, sizeof buffer);
    for (size_t i = 0; (count = framing_line(message, bytes, i, line)) > 0; i++) {
        if (count > FRAMING_LINE_BYTES || whole)
            abort();
        for (size_t j = 0; j < count; j++)
            whole = framing_push(&reader, line[j], &got);
    }
    if (!whole || reader.bad != 0 || got != bytes || memcmp(buffer, message, bytes) != 0)
        abort();
}

struct line {
    struct framing_reader reader;
    struct service service;
    uint8_t *buffer;
    size_t capacity;
};

static void send(struct line *to, const uint8_t *bytes, size_t size)
{
    uint8_t out[SMP_BUFFER_BYTES];

    for (size_t i = 0; i < size; i++) {
        size_t got = 0, answer;

        if (!framing_push(&to->reader, bytes[i], &got))
            continue;
        if (got > to->capacity)
            abort();
        answer = smp_receive(&to->service, to->buffer, got, out, sizeof out);
        if (answer > 0)
            check_there_and_back(out, answer);
    }
}

static void send_framed(struct line *to, const uint8_t *script, size_t size)
{
    uint8_t message[PROTO_REQUEST_BYTES], line[FRAMING_LINE_BYTES];
    size_t bytes = size > 0 ? proto_edited(script[0], script + 1, size - 1, message) : 0, count;

    for (size_t i = 0; (count = framing_line(message, bytes, i, line)) > 0; i++)
        send(to, line, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eager eager = {.mood = size > 0 ? data[0] : 0};
    struct line to = {.service = eager_service(&eager), .capacity = eager.mood < 128 ? SMP_BUFFER_BYTES : 40};

    to.buffer = malloc(to.capacity);
    if (to.buffer == NULL)
        abort();
    framing_start(&to.reader, to.buffer, to.capacity);
    for (size_t i = 1, count; i < size; i += count) {
        uint8_t step = data[i++];

        count = step & 127u;
        if (count > size - i)
            count = size - i;
        if (step < 128)
            send(&to, data + i, count);
        else
            send_framed(&to, data + i, count);
    }
    free(to.buffer);
    return 0;
}
