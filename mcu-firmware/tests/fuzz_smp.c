/* The invariant: whatever bytes are a message, smp_receive reads none beyond them, writes none beyond the capacity of the
 * response, and says nothing, or a message that answers that very request.
 *
 * The first two bytes choose what the service answers, and how much room the response has. The third one chooses a known
 * request, to which what follows are edits; beyond those requests it chooses none, and what follows is the message. */
#include <stdlib.h>
#include <string.h>

#include "../proto/body.h"
#include "../proto/smp.h"
#include "eager_service.h"
#include "proto_requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint8_t *asked, const uint8_t *answer, size_t bytes)
{
    struct body body;

    if (bytes < SMP_HEADER_BYTES || (answer[0] & 7) != (asked[0] & 7) + 1 || memcmp(answer + 4, asked + 4, 4) != 0)
        abort();
    if ((size_t)(answer[2] << 8 | answer[3]) != bytes - SMP_HEADER_BYTES)
        abort();
    if (body_open(&body, answer + SMP_HEADER_BYTES, bytes - SMP_HEADER_BYTES) < 0)
        abort();
}

/* Memory of exactly the size, so that the sanitizer sees a step beyond it. */
static uint8_t *exactly(const uint8_t *from, size_t size)
{
    uint8_t *memory = malloc(size > 0 ? size : 1);

    if (memory == NULL)
        abort();
    if (size > 0 && from != NULL)
        memcpy(memory, from, size);
    return memory;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eager eager = {0};
    struct service service = eager_service(&eager);
    size_t capacity, bytes;
    uint8_t *message, *out, edited[PROTO_REQUEST_BYTES];

    if (size < 3)
        return 0;
    eager.mood = data[0];
    capacity = data[1] < 200 ? SMP_BUFFER_BYTES : data[1] - 200u;
    size -= 3;
    if (data[2] < PROTO_REQUESTS)
        size = proto_edited(data[2], data + 3, size, edited);
    message = exactly(data[2] < PROTO_REQUESTS ? edited : data + 3, size);
    out = exactly(NULL, capacity);
    bytes = smp_receive(&service, message, size, out, capacity);
    if (bytes > capacity)
        abort();
    if (bytes > 0)
        check(message, out, bytes);
    free(message);
    free(out);
    return 0;
}
