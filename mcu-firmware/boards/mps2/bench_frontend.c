/* Counts the front end: 10 ms of sound at a time, in a window that is full. */
#include "../../frontend/frontend.h"
#include "board.h"

#define FRAMES 100

struct heard {
    struct frontend frontend;
    const int16_t *samples;
    uint16_t features[FRONTEND_CHANNELS];
};

static void hear(void *with)
{
    struct heard *heard = with;
    int complete;
    frontend_push(&heard->frontend, heard->samples, FRONTEND_STEP, heard->features, &complete);
    heard->samples += FRONTEND_STEP;
}

int main(void)
{
    static struct heard heard;
    uint32_t sum = 0, steps = (uint32_t)(bench_input_end - bench_input) / (2 * FRONTEND_STEP);
    frontend_reset(&heard.frontend);
    heard.samples = (const int16_t *)(const void *)bench_input;
    hear(&heard);
    hear(&heard);
    bench_say("stack", bench_stack_of(hear, &heard));
    for (uint32_t step = 3; step < steps && step < FRAMES + 3; step++) {
        bench_say("ticks", bench_count(hear, &heard));
        for (uint32_t channel = 0; channel < FRONTEND_CHANNELS; channel++) {
            sum = sum * 31 + heard.features[channel];
        }
    }
    bench_say("sum", sum);
    bench_say("ram", sizeof heard.frontend);
    return 0;
}
