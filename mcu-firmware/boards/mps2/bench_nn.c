/* Counts the engine: one inference at a time of the plan that was built in. First its golden windows have to come out. */
#include <stddef.h>

#include "../../nn/nn.h"
#include "board.h"

#define RUNS 40
#define ARENA_BYTES (1024 * 1024)

static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(16)));

static void run(void *with)
{
    nn_run(with);
}

/* Noise, as in a plan's golden windows; what is in it hardly matters, as no kernel looks at values. */
static void fill(const struct nn *nn, uint32_t *seed)
{
    uint8_t *input = nn_input(nn);
    for (uint32_t i = 0; i < nn_input_bytes(nn); i++) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 17;
        *seed ^= *seed << 5;
        input[i] = (uint8_t)(*seed >> 24);
    }
}

static int opened(struct plan *plan, struct nn *nn)
{
    int status = plan_open(plan, bench_input, (size_t)(bench_input_end - bench_input));
    if (status == PLAN_OK) {
        status = nn_open(nn, plan, arena, sizeof arena);
    }
    bench_say("refused", (uint32_t)-status);
    return status;
}

int main(void)
{
    struct plan plan;
    struct nn nn;
    uint32_t seed = 1;
    if (opened(&plan, &nn) != PLAN_OK) {
        return 1;
    }
    bench_say("golden", (uint32_t)nn_golden(&nn, &plan));
    bench_say("arena", nn_arena_bytes(&nn));
    fill(&nn, &seed);
    bench_say("stack", bench_stack_of(run, &nn));
    nn_reset(&nn);
    for (uint32_t i = 0; i < RUNS; i++) {
        fill(&nn, &seed);
        bench_say("ticks", bench_count(run, &nn));
    }
    return 0;
}
