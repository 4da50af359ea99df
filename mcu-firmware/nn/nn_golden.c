/* The self-test that a plan brings: inputs made by rule, outputs that LiteRT's reference kernels gave. */
#include "nn.h"

#include <string.h>

#define HEADER_BYTES 8u /* u32 seed, u16 windows, u16 bytes an output */

static uint32_t fill(const struct nn *nn, uint32_t x)
{
    uint8_t *input = nn_input(nn);
    uint32_t bytes = nn_input_bytes(nn);
    for (uint32_t i = 0; i < bytes; i++) {
        x ^= x << 13; /* Marsaglia's xorshift32 */
        x ^= x >> 17;
        x ^= x << 5;
        input[i] = (uint8_t)(x >> 24);
    }
    return x;
}

/* In units of NN_MAX_WORK: the run, the making of its input and the comparing of its output. */
static uint64_t work_of_window(const struct nn *nn)
{
    return (uint64_t)nn->work + 2 * (uint64_t)nn_input_bytes(nn) + 2 * (uint64_t)nn_output_bytes(nn) + 64;
}

static int first_wrong(struct nn *nn, uint32_t x, const uint8_t *outputs, uint32_t windows)
{
    uint32_t bytes = nn_output_bytes(nn);
    for (uint32_t i = 0; i < windows; i++) {
        x = fill(nn, x);
        nn_run(nn);
        if (memcmp(nn_output(nn), outputs + i * bytes, bytes) != 0)
            return (int)i + 1;
    }
    return 0;
}

int nn_golden(struct nn *nn, const struct plan *plan)
{
    struct plan_section section;
    int status = plan_find(plan, "GOLD", &section);
    if (status != PLAN_OK)
        return status;
    if (section.size < HEADER_BYTES)
        return PLAN_SECTION;
    uint32_t seed, windows, bytes;
    uint16_t counts[2];
    memcpy(&seed, section.bytes, 4);
    memcpy(counts, section.bytes + 4, 4);
    windows = counts[0];
    bytes = counts[1];
    if (windows == 0 || bytes != nn_output_bytes(nn) || (uint64_t)windows * bytes > section.size - HEADER_BYTES)
        return PLAN_SECTION;
    if (windows * work_of_window(nn) > NN_MAX_GOLDEN_WORK)
        return PLAN_WORK;
    nn_reset(nn);
    int wrong = first_wrong(nn, seed, section.bytes + HEADER_BYTES, windows);
    nn_reset(nn);
    return wrong;
}
