/* Which model runs: opened at the start, tried, confirmed, taken back.
 *
 * Joins slots (which plan lies where, and what the settings say) to hear (which runs one). A model that is tried runs its
 * golden windows first; if they differ, or if it cannot be opened, the one before it comes back at once. */
#ifndef EDGED_MODEL_H
#define EDGED_MODEL_H

#include <stdint.h>

#include "hear.h"
#include "slots.h"
#include "store.h"

struct model {
    const struct hal_board *board;
    struct store store;
    struct slots slots;
    struct hear hear;
    const struct hear_out *out; /* where what it hears goes */
    const char *why[2];         /* by slot: why its plan does not run here; NULL: nothing is known against it */
    uint8_t id[8];              /* of the model that runs: the first bytes of the sha256 of its .tflite */
    uint64_t trial_until_us;
};

/* Read the settings, count the boot, and run the confirmed model, if there is one that runs. *model is all zeros before.
 * Negative: the settings cannot be read or written; the board does all else the same. */
int model_start(struct model *model, const struct hal_board *board, const struct hear_out *out);

/* Try the plan of that hash. Gives enum service_error; unless it is 0, the model that ran runs on, its stream broken.
 * Harmless again: a model that is on trial already, or confirmed, stays what it is. */
int model_try(struct model *model, const uint8_t sha256[32], uint64_t until_us, const char **why);

/* The model on trial becomes the confirmed one. It must have that hash. Harmless again. */
int model_confirm(struct model *model, const uint8_t sha256[32], const char **why);

/* End the trial: back to the confirmed model, or to none. SERVICE_NO_MODEL: there is no trial. */
int model_revert(struct model *model, const char **why);

/* Whether there is a trial whose time is over. */
int model_overdue(const struct model *model, uint64_t now_us);

/* The name of the plan in a slot, not ended by 0: its bytes, 0 where there is none. */
uint8_t model_name(const struct model *model, uint8_t slot, const char **name);

#endif
