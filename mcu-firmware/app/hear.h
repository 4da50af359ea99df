/* Samples → front end → window of inputs → network → decisions: the road of the gateway, on a board.
 *
 * Configured by a plan; one at a time. */
#ifndef EDGED_HEAR_H
#define EDGED_HEAR_H

#include <stddef.h>
#include <stdint.h>

#include "../frontend/frontend.h"
#include "../nn/nn.h"
#include "decide.h"
#include "names.h"

#ifndef HEAR_WINDOW_BYTES
#define HEAR_WINDOW_BYTES 8192 /* of one window's inputs: 204 frames of 40 channels */
#endif

struct hear {
    struct frontend frontend;
    struct nn nn;
    struct decide decide;
    struct plan plan;
    struct names names;
    int open;
    uint16_t window_frames, hop_frames, every;
    const uint8_t *thresholds; /* u16[255] in the plan */
    uint8_t lowest;            /* bits of the input's lowest value */
    uint8_t window[HEAR_WINDOW_BYTES]; /* the last window_frames rows, a ring by row */
    uint32_t row;   /* where the next row goes */
    uint32_t due;   /* rows until the next window is whole */
    uint32_t skip;  /* frames to leave out until the next row */
    uint64_t heard; /* samples since the boot, missed ones included: the clock of all decisions */
    uint32_t runs;
};

/* Begin with a plan. Errors: enum plan_status, *why in words; nothing runs then. The sample clock goes on. *hear is all zeros
 * before the first call. Takes the arena from whatever ran in it; where the plan is refused, the arena may have been
 * written as well. */
int hear_open(struct hear *hear, const struct plan *plan, void *arena, size_t arena_bytes, const char **why);

/* Nothing runs any more; the sample clock goes on. Call hear_reset before, where sounds that are on must end. */
void hear_close(struct hear *hear);

struct hear_out { /* where results go; any may be NULL */
    void *context;
    void (*decided)(void *context, const struct decision *decision);
    void (*scored)(void *context, const uint8_t *outputs, uint32_t bytes, uint64_t ends);
};

/* Hear some samples. With no plan only the clock goes on. A window's sample index is that just past its last sample, so a
 * stream that was never broken gives the indices of the gateway's lane. */
void hear_push(struct hear *hear, const int16_t *samples, size_t count, const struct hear_out *out);

/* So many samples were missed: the stream breaks, the clock goes on. */
void hear_missed(struct hear *hear, uint32_t samples, const struct hear_out *out);

/* As new, the sample clock apart: what comes is another stream. Sounds that are on end. */
void hear_reset(struct hear *hear, const struct hear_out *out);

#endif
