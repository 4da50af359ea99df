/* Runs the network of a plan in the caller's arena.
 *
 * No malloc, no globals, no float. `nn_open` validates every record once, so that `nn_run` needs no check and cannot fail:
 * whatever the plan's bytes are, a network that was opened reads only the plan and the arena, and writes only the arena.
 * The caller owns both, and keeps them where they are for as long as the network is used; the arena's first state_bytes are
 * the model's memory, the rest is scratch between two runs, but for the input, which the caller fills before each run,
 * and the output, which stands until the next. */
#ifndef EDGED_NN_H
#define EDGED_NN_H

#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#define NN_ALIGNMENT 16 /* of the arena, in bytes */

/* Work is counted in units of which each takes a Cortex-M4 eight cycles at most; a multiply-accumulate of a usual
 * convolution is one, and takes three. PLAN.md says what the bounds follow from. */
#define NN_MAX_WORK 0x1200000u        /* of one run: 19 million */
#define NN_MAX_RESET_WORK 0x100000u   /* of making the state as new: 1 million */
#define NN_MAX_GOLDEN_WORK 0x3000000u /* of a self-test: 50 million */

struct nn {
    const uint8_t *network; /* the section NETW */
    const uint8_t *constants;
    uint8_t *arena;
    uint32_t work; /* of one run, about, but never less than it is */
};

/* Validate the plan's network and lay it into the arena, state reset. Errors: enum plan_status; *nn is zeroed then, and
 * the arena untouched. */
int nn_open(struct nn *nn, const struct plan *plan, void *arena, size_t arena_bytes);

/* The state as new: what follows is what a network just opened would say. */
void nn_reset(struct nn *nn);

/* The input: nn_input_bytes() bytes, int8 or uint8 as the plan says, in the arena. Fill it anew before each run. */
uint8_t *nn_input(const struct nn *nn);
uint32_t nn_input_bytes(const struct nn *nn);

/* One inference over what stands in the input. */
void nn_run(struct nn *nn);

/* The output of the last run, in the arena. */
const uint8_t *nn_output(const struct nn *nn);
uint32_t nn_output_bytes(const struct nn *nn);

/* What the network takes of the arena, state included. */
uint32_t nn_arena_bytes(const struct nn *nn);

/* What an opened plan would take, before there is an arena; 0 where it has no network. */
uint32_t nn_arena_wanted(const struct plan *plan);

/* Run the golden windows of the plan and compare: 0 when all outputs are equal, else 1 + the number of the first window
 * that differs, or an enum plan_status where there are none, or where they are more than NN_MAX_GOLDEN_WORK: no window was
 * run then. Resets the state before and after. */
int nn_golden(struct nn *nn, const struct plan *plan);

#endif
