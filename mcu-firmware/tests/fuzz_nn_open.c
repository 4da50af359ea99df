/* Invariant: whatever a file's bytes are, plan_open and nn_open read nothing outside it; what they refuse leaves plan and
 * network zeroed and the arena untouched; what they accept has its input and output in the arena. */
#include "fuzz_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
    if (!condition)
        abort();
}

static void must_be_zero(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        must(at[i] == 0);
}

/* A range that nn gives lies in the arena. */
static void must_lie_in(const uint8_t *arena, size_t arena_bytes, const uint8_t *at, uint32_t bytes)
{
    must(at >= arena && (size_t)(at - arena) <= arena_bytes && bytes <= arena_bytes - (size_t)(at - arena));
}

static void open_network(const struct plan *plan)
{
    size_t wanted = nn_arena_wanted(plan), given = wanted < FUZZ_ARENA ? wanted : FUZZ_ARENA;
    uint8_t *arena = fuzz_block(given);
    memset(arena, 0xa5, given);
    struct nn nn;
    memset(&nn, 0xa5, sizeof nn);
    int status = nn_open(&nn, plan, arena, given);
    if (status != PLAN_OK) {
        must(status < 0 && status >= PLAN_WORK);
        must_be_zero(&nn, sizeof nn);
        for (size_t i = 0; i < given; i++)
            must(arena[i] == 0xa5);
    } else {
        must(nn_arena_bytes(&nn) == wanted);
        must_lie_in(arena, given, nn_input(&nn), nn_input_bytes(&nn));
        must_lie_in(arena, given, nn_output(&nn), nn_output_bytes(&nn));
    }
    free(arena);
}

static void open_plan(const uint8_t *file, size_t size)
{
    struct plan plan;
    memset(&plan, 0xa5, sizeof plan);
    int status = plan_open(&plan, file, size);
    if (status != PLAN_OK) {
        must(status < 0 && status >= PLAN_WORK);
        must_be_zero(&plan, sizeof plan);
        return;
    }
    const char *tags[] = {"NETW", "NAME", "GOLD", "FRNT", "DECI"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        struct plan_section section;
        if (plan_find(&plan, tags[i], &section) == PLAN_OK)
            must_lie_in(plan.bytes, plan.size, section.bytes, section.size);
        else
            must_be_zero(&section, sizeof section);
    }
    open_network(&plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *file = fuzz_block(size);
    memcpy(file, data, size);
    open_plan(file, size);
    if (size >= 16) {
        fuzz_repair(file, size);
        open_plan(file, size);
    }
    free(file);
    return 0;
}
