/* Two slots for models: upload into the idle one, verify, try, confirm or roll back.
 *
 * The state is a table (slots.c). A power cut at any write leaves the confirmed model, or the new one, and never neither:
 * what is confirmed is never erased, and a trial that a reset interrupts is over. Erasing goes unit by unit, one
 * hal_flash_erase a call, so that the application listens in between. Flash and settings only; nothing here runs a model:
 * the caller runs slots->active whenever a call changed it. */
#ifndef EDGED_SLOTS_H
#define EDGED_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "../hal/hal.h"
#include "../nn/plan.h"
#include "../proto/service.h"
#include "sha256.h"
#include "store.h"

#define SLOTS_NONE STORE_NO_SLOT

struct slots {
    const struct hal_board *board;
    struct store *store;
    uint8_t active;    /* whose model runs */
    uint8_t confirmed; /* what a reset comes back to */
    uint8_t trial;     /* active is on trial */
    uint8_t interrupted; /* slot whose trial the last reset ended; SLOTS_NONE: none */
    uint8_t target;    /* the slot that an upload goes to; SLOTS_NONE: there is no upload */
    uint32_t length, have, erased; /* of the upload: announced, taken, erased up to */
    uint8_t sha256[32];            /* announced */
    uint8_t pending[8]; /* bytes that do not yet fill a program_bytes */
    uint8_t pending_bytes;
    uint8_t known[2][32]; /* sha256 of the plan file in each slot, as found at the start and after an upload */
    uint8_t whole[2];     /* 1: a checked plan that this board has room for lies there; known is its hash */
    int refused[2];       /* enum plan_status of what lies there, if it was refused; 0 else */
};

/* What the settings say, and whether the slots hold what they say. A confirmed slot that is damaged falls back to the other,
 * if that is whole; else nothing runs. After store_start. SERVICE_FLASH: the slots stand, but what became of a trial or of
 * a damaged slot could not be written down. */
int slots_start(struct slots *slots, const struct hal_board *board, struct store *store);

/* One message of an upload. Gives enum service_error; may erase at most one unit.
 *
 * The first one (offset 0, length and hash) begins an upload; the very same one again goes on with it, from *next, for as
 * long as the board is not reset. A plan that lies in a slot already, whole, is not uploaded: *next is its length, *match 1.
 * SERVICE_BUSY with *why "erasing": one unit was erased, nothing taken yet, send it again; with another *why: a trial is on.
 * An offset before *next takes nothing and is no error (the answer was lost); one beyond it is SERVICE_OFFSET, and so is
 * one where there is no upload: send the first message, it says where to go on.
 * The message that completes it verifies what lies in flash: *match 1, or SERVICE_HASH, or SERVICE_PLAN. The upload is over
 * then, whatever the outcome, and after SERVICE_FLASH. */
int slots_upload(struct slots *slots, const struct service_upload *in, uint32_t *next, int *match, const char **why);

/* The plan in the slot; an enum plan_status where there is none to run (*plan is zeroed then). */
int slots_plan(const struct slots *slots, uint8_t slot, struct plan *plan);

/* Which slot holds the plan with that hash, whole: a number, or SLOTS_NONE. */
uint8_t slots_find(const struct slots *slots, const uint8_t sha256[32]);

/* The slot is to run on trial: written to the settings before it is active. The one that is on trial already, or that is
 * confirmed: nothing to do, no error. SERVICE_NO_MODEL, SERVICE_BUSY (another one is on trial), SERVICE_FLASH. */
int slots_try(struct slots *slots, uint8_t slot, const char **why);

/* The trial went well: from now on the active one is the confirmed one. Without a trial nothing changes: 0 where the
 * confirmed one runs, SERVICE_NO_MODEL where nothing does. The first model of a board is tried and confirmed as any other.
 * SERVICE_FLASH: it is still on trial. */
int slots_confirm(struct slots *slots, const char **why);

/* Back to the confirmed one (slots->active is SLOTS_NONE where there is none). Without a trial nothing changes.
 * SERVICE_FLASH: it could not be written down, but active is the confirmed one: a reset would lead there, too. */
int slots_revert(struct slots *slots, const char **why);

#endif
