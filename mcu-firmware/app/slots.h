/* Two slots for models: upload into the idle one, verify, try, confirm or roll back.
 *
 * The state is a table (slots.c). A power cut at any write leaves the confirmed model, or the new one, and never neither:
 * what is confirmed is never erased, and a trial that a reset interrupts is over. Erasing goes unit by unit, one
 * hal_flash_erase a call, so that the application listens in between. Flash and settings only; nothing here runs a model. */
#ifndef EDGED_SLOTS_H
#define EDGED_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "../hal/hal.h"
#include "../nn/plan.h"
#include "../proto/service.h"
#include "sha256.h"
#include "store.h"

#define SLOTS_NONE 0xff

struct slots {
    const struct hal_board *board;
    struct store *store;
    uint8_t active;    /* whose model runs */
    uint8_t confirmed; /* what a reset comes back to */
    uint8_t trial;     /* active is on trial */
    uint8_t target;    /* the slot that an upload goes to; SLOTS_NONE: there is no upload */
    uint32_t length, have, erased; /* of the upload: announced, programmed, erased up to */
    uint8_t sha256[32];
    struct sha256 hash;
    uint8_t pending[8]; /* bytes that do not yet fill a program_bytes */
    uint8_t pending_bytes;
    uint8_t known[2][32]; /* sha256 of the plan in each slot, as found at start and after an upload */
    uint8_t whole[2];     /* 1: a checked plan lies there */
    int refused[2];       /* enum plan_status of what lies there, if it was refused */
};

/* What the settings say, and whether the slots hold what they say. A confirmed slot that is damaged falls back to the other,
 * if that is whole; else nothing runs. */
int slots_start(struct slots *slots, const struct hal_board *board, struct store *store);

/* One message of an upload (offset 0 begins one, or goes on with the very same one: *next says from where). Gives
 * enum service_error; may erase at most one unit. SERVICE_BUSY means: erased, nothing taken yet, send it again. */
int slots_upload(struct slots *slots, const struct service_upload *in, uint32_t *next, int *match, const char **why);

/* The plan in the slot, or PLAN_TRUNCATED and so on. */
int slots_plan(const struct slots *slots, uint8_t slot, struct plan *plan);

/* Which slot holds the plan with that hash, whole: a number, or SLOTS_NONE. */
uint8_t slots_find(const struct slots *slots, const uint8_t sha256[32]);

/* The slot is to run on trial: written to the settings before it runs. */
int slots_try(struct slots *slots, uint8_t slot, const char **why);

/* The trial went well: from now on this one is the confirmed one. Also the first model of a board, without a trial. */
int slots_confirm(struct slots *slots, const char **why);

/* Back to the confirmed one. The caller then runs slots->active (or nothing, if that is SLOTS_NONE). */
int slots_revert(struct slots *slots, const char **why);

#endif
