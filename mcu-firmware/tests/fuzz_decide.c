/* Invariant: whatever a plan's DECI and its network's outputs are, decide_open refuses them or decides without reading or
 * writing outside; what is decided is about outputs that there are, no mean is above its peak, no time goes back, and a
 * label's kinds follow each other as they must.
 *
 * The input: a byte that says what of the section is mended, so that more of it is let through; how the outputs are (zero
 * point, scale, type, number); bytes of DECI (their number first); then windows: a byte of what happens (a break, or samples
 * until the window) and the outputs, used over and over where they end. */
#include <stdlib.h>
#include <string.h>

#include "../app/decide.h"
#include "../nn/format.h"

#define PLAN_BYTES 2048
#define DECI_AT 128u
#define WINDOWS 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *bytes;
    size_t left;
};

static void take(struct input *input, void *to, size_t size)
{
    size_t part = size < input->left ? size : input->left;
    memset(to, 0, size);
    memcpy(to, input->bytes, part);
    input->bytes += part;
    input->left -= part;
}

static void must(int good)
{
    if (!good)
        abort();
}

enum { MEND_SCALE = 1, MEND_SIZE = 2, MEND_COLUMNS = 4, MEND_RELEASE = 8, MEND_VOTES = 16 };

/* Numbers that would be refused become some that are not. */
static void mend(uint8_t how, struct nn_format_network *network, uint8_t *deci, uint16_t *deci_bytes)
{
    uint16_t policies = (uint16_t)(1 + *deci_bytes / 32 % DECIDE_MAX_LABELS), outputs = (uint16_t)network->output_bytes;
    if (how & MEND_SCALE) {
        network->output_scale = 0x3b800000; /* 1/256 */
        network->output_type &= 1;
        network->output_zero = network->output_type ? 0 : -128;
    }
    if (how & MEND_SIZE) {
        memcpy(deci, &outputs, 2);
        memcpy(deci + 2, &policies, 2);
        *deci_bytes = (uint16_t)(4 + 32 * policies);
    }
    for (uint16_t i = 0; how & MEND_SIZE && i < policies; i++) {
        uint8_t *policy = deci + 4 + 32 * i;
        memset(policy + 5, 0, 3);
        policy[1] &= 1;
        if (how & MEND_COLUMNS)
            policy[0] = (uint8_t)i;
        if (how & MEND_RELEASE)
            memcpy(policy + 12, policy + 8, 4);
        if (how & MEND_VOTES) {
            policy[2] = (uint8_t)(1 + policy[2] % 64);
            policy[4] = (uint8_t)(1 + policy[4] % DECIDE_MAX_OF_M);
            policy[3] = (uint8_t)(1 + policy[3] % policy[4]);
        }
    }
}

/* A sound plan around the section. */
static void make_plan(struct input *input, uint8_t *bytes, struct nn_format_network *network)
{
    uint16_t deci_bytes, numbers[2] = {1, 2};
    uint32_t sections[6], whole, crc;
    uint8_t how;
    memset(network, 0, sizeof *network);
    take(input, &how, 1);
    take(input, &network->output_zero, 4);
    take(input, &network->output_scale, 4);
    take(input, &network->output_type, 1);
    take(input, &network->output_bytes, 2);
    network->output_bytes &= 0x3ff;
    take(input, &deci_bytes, 2);
    deci_bytes %= PLAN_BYTES - DECI_AT;
    take(input, bytes + DECI_AT, deci_bytes);
    mend(how, network, bytes + DECI_AT, &deci_bytes);
    memcpy(bytes, "EDPL", 4);
    memcpy(bytes + 4, numbers, 4);
    whole = (DECI_AT + deci_bytes + 7) / 8 * 8;
    memcpy(bytes + 8, &whole, 4);
    memcpy(&sections[0], "NETW", 4);
    memcpy(&sections[3], "DECI", 4);
    sections[1] = 40;
    sections[2] = sizeof *network;
    sections[4] = DECI_AT;
    sections[5] = deci_bytes;
    memcpy(bytes + 16, sections, sizeof sections);
    memcpy(bytes + 40, network, sizeof *network);
    crc = plan_crc32(plan_crc32(0, bytes, 12), bytes + 16, whole - 16);
    memcpy(bytes + 12, &crc, 4);
}

/* `on` is by column: a sound that has started and not ended. */
static void check(const struct decision *told, size_t count, uint32_t outputs, uint64_t now, uint8_t on[256])
{
    for (size_t i = 0; i < count; i++) {
        must(told[i].column < outputs && told[i].kind <= DECIDE_END);
        must(told[i].mean <= told[i].peak && told[i].began <= told[i].at && told[i].at <= now);
        if (told[i].kind != DECIDE_DETECTION)
            must(on[told[i].column] == (told[i].kind != DECIDE_START));
        on[told[i].column] = told[i].kind == DECIDE_START || told[i].kind == DECIDE_UPDATE;
    }
}

static void hear(struct decide *decide, struct input *input, uint32_t outputs)
{
    struct input again = *input;
    uint8_t on[256] = {0}, *values = malloc(outputs); /* of the very size, for the sanitizer to watch */
    uint64_t now = 0;
    for (unsigned window = 0; window < WINDOWS && again.left > 0; window++) {
        struct decision *told = malloc(2 * DECIDE_MAX_LABELS * sizeof *told);
        uint8_t what;
        if (input->left == 0)
            *input = again;
        take(input, &what, 1);
        now += what < 250 ? what * 100u : 0xffffffffull << (what - 250);
        take(input, values, outputs);
        if (what == 7)
            check(told, decide_break(decide, now, told, DECIDE_MAX_LABELS), outputs, now, on);
        else
            check(told, decide_step(decide, values, now, told, 2 * DECIDE_MAX_LABELS), outputs, now, on);
        free(told);
    }
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Alignas(8) uint8_t bytes[PLAN_BYTES];
    struct input input = {data, size};
    struct nn_format_network network;
    struct decide decide;
    struct plan plan;
    const char *why;
    memset(bytes, 0, sizeof bytes);
    memset(&decide, 0xa5, sizeof decide);
    make_plan(&input, bytes, &network);
    must(plan_open(&plan, bytes, sizeof bytes) == PLAN_OK);
    int status = decide_open(&decide, &plan, &why);
    must((status == PLAN_OK) == (why == NULL));
    if (status == PLAN_OK)
        hear(&decide, &input, network.output_bytes);
    return 0;
}
