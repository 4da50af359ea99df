/* The invariant: whatever bytes are a message, smp_receive reads none beyond them, writes none beyond the capacity of the
 * response, and says nothing, or a message that answers that very request.
 *
 * The first two bytes choose what the service answers and how much room the response has. The second one's lowest bit says
 * whether the header's length and group are mended to what leads further in. */
#include <stdlib.h>
#include <string.h>

#include "../proto/body.h"
#include "../proto/smp.h"
#include "eager_service.h"

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

/* Otherwise few inputs would get past the header. */
static void mend(uint8_t *message, size_t size)
{
    static const uint8_t groups[] = {0, 1, 10, SERVICE_GROUP, SERVICE_GROUP, SERVICE_GROUP, SERVICE_GROUP, SERVICE_GROUP};

    if (size < SMP_HEADER_BYTES)
        return;
    message[2] = (uint8_t)((size - SMP_HEADER_BYTES) >> 8);
    message[3] = (uint8_t)(size - SMP_HEADER_BYTES);
    message[4] = 0;
    message[5] = groups[message[5] % sizeof groups];
    message[7] %= 12;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eager eager = {0};
    struct service service = eager_service(&eager);
    size_t capacity, bytes;
    uint8_t *message, *out;

    if (size < 2)
        return 0;
    eager.mood = data[0];
    capacity = data[1] < 200 ? SMP_BUFFER_BYTES : data[1] - 200u;
    message = exactly(data + 2, size - 2);
    if (data[1] & 1u)
        mend(message, size - 2);
    out = exactly(NULL, capacity);
    bytes = smp_receive(&service, message, size - 2, out, capacity);
    if (bytes > capacity)
        abort();
    if (bytes > 0)
        check(message, out, bytes);
    free(message);
    free(out);
    return 0;
}
