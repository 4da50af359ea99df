/* Invariant: whatever a network's bytes are, if nn_open accepts it, nn_run and nn_reset read and write nothing outside plan
 * and arena and leave the plan as it was; and after nn_reset the same inputs give the same outputs.
 *
 * The bytes are the section NETW: the container around it is made here, so that nearly all that is tried gets to nn_open. */
#include "fuzz_plan.h"

#define NETWORK_AT 32u
#define LONGEST ((uint32_t)1 << 18) /* work of a run that is still tried: beyond, nothing new happens, slowly */
#define RUNS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file around a network. */
static uint8_t *wrapped(const uint8_t *network, size_t size, size_t *whole)
{
    *whole = NETWORK_AT + (size + 7) / 8 * 8;
    uint8_t *file = fuzz_block(*whole);
    memset(file, 0, *whole);
    uint16_t sections = 1;
    uint32_t at = NETWORK_AT, bytes = (uint32_t)size;
    memcpy(file + 6, &sections, 2);
    memcpy(file + 16, "NETW", 4);
    memcpy(file + 20, &at, 4);
    memcpy(file + 24, &bytes, 4);
    memcpy(file + NETWORK_AT, network, size);
    fuzz_repair(file, *whole);
    return file;
}

/* The outputs of a few runs, as a checksum. */
static uint32_t answers(struct nn *nn)
{
    uint32_t crc = 0;
    nn_reset(nn);
    for (int run = 0; run < RUNS; run++) {
        uint32_t bytes = nn_input_bytes(nn);
        for (uint32_t i = 0; i < bytes; i++)
            nn_input(nn)[i] = (uint8_t)(i * 37 + (uint32_t)run * 101);
        nn_run(nn);
        crc = plan_crc32(crc, nn_output(nn), nn_output_bytes(nn));
    }
    return crc;
}

/* A network that reads scratch which it never wrote may answer by what lay there: so the same lies there. */
static void run_network(struct nn *nn, uint8_t *arena, size_t arena_bytes)
{
    memset(arena, 0, arena_bytes);
    uint32_t first = answers(nn);
    memset(arena, 0, arena_bytes);
    if (answers(nn) != first)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t whole;
    uint8_t *file = wrapped(data, size, &whole);
    uint32_t crc = plan_crc32(0, file, whole);
    struct plan plan;
    struct nn nn;
    if (plan_open(&plan, file, whole) != PLAN_OK)
        abort();
    size_t wanted = nn_arena_wanted(&plan), given = wanted < FUZZ_ARENA ? wanted : FUZZ_ARENA;
    uint8_t *arena = fuzz_block(given);
    if (nn_open(&nn, &plan, arena, given) == PLAN_OK && nn.work <= LONGEST)
        run_network(&nn, arena, given);
    if (plan_crc32(0, file, whole) != crc)
        abort();
    free(arena);
    free(file);
    return 0;
}
