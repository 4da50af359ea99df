/* Two slots, of which one holds the confirmed model and the other is free for the next.
 *
 * What lies in a slot is read from the slot itself: a plan says how long it is and carries a checksum, so no note in the
 * settings can be wrong about it. It is *whole* when the container is right and the board has room for its network. The
 * settings only say which slot is confirmed, with which sha256, and whether another one is on trial.
 *
 *     state       what runs          upload                     try                   confirm              revert
 *     empty       nothing            → empty, a slot is whole   → trial               no model             -
 *     confirmed   the confirmed      → confirmed, the other     → trial               -                    -
 *                                    slot is whole
 *     trial       the tried          busy                       - if it is the same,  → confirmed, which   → confirmed,
 *                                                               else busy             is the tried         or empty
 *
 *     reset, or power cut at any write:   trial → confirmed, or empty; the others stay what they are
 *     confirmed slot damaged at a start:  the other slot, if it is whole, is the confirmed one; else empty
 *
 * A dash is nothing to do, and no error. What try, confirm and revert change is in the settings before it is true; a
 * settings' record is whole or does not count (store.c). So for a power cut there are these moments, and in each of them a
 * confirmed slot that nobody touches:
 *
 *     upload into the slot that is not confirmed: erase, program, verify   the confirmed one runs after the cut
 *     record "on trial"                                                    likewise, with or without the record
 *     record "confirmed": the one instant in which the old becomes the new
 *     upload into the slot that was confirmed before                       the new one runs
 *
 * With nothing confirmed yet there is nothing to lose: an upload goes into a slot that is not whole, else into slot 0.
 *
 * An upload goes on after a break of the link: the same first message again says from where. After a reset it begins anew,
 * since nothing tells a piece that was torn by the power cut from one that was not, short of the hash of the whole; it costs
 * the gateway seconds. Of a finished one, though, nothing is sent twice, since a whole plan is found by its hash.
 *
 * Erasing is done unit by unit, as far as the next bytes need it, and always: a unit whose erase was interrupted may read
 * as erased and not be. Every piece of program_bytes is programmed once; bytes that do not fill one wait in `pending`.
 *
 * The hash is taken from flash at the end, in one go, and the checksum with it: about 100 instructions a byte on a
 * Cortex-M4, so 40 ms for 60 kB at 168 MHz, 0.7 s for 400 kB at 64 MHz. It is a stall like that of an erase, and a start
 * takes as long for each plan that it finds. */
#include "slots.h"

#include <string.h>

#include "../nn/nn.h"

static enum hal_area area_of(uint8_t slot)
{
    return slot == 0 ? HAL_AREA_SLOT_0 : HAL_AREA_SLOT_1;
}

static const uint8_t *bytes_of(uint8_t slot)
{
    return hal_flash_map(area_of(slot));
}

static uint32_t size_of(const struct slots *slots, uint8_t slot)
{
    return slots->board->area_bytes[area_of(slot)];
}

static int because(const char **why, int error, const char *text)
{
    if (why)
        *why = text;
    return error;
}

static void hash_of(const void *bytes, uint32_t size, uint8_t out[32])
{
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, bytes, size);
    sha256_end(&hash, out);
}

/* ---- what lies in a slot ---- */

/* An enum plan_status: whether a plan lies there, in so many bytes, that this board has room for. */
static int check_plan(const struct slots *slots, uint8_t slot, uint32_t bytes, struct plan *plan)
{
    int status = plan_open(plan, bytes_of(slot), bytes);
    if (status != PLAN_OK)
        return status;
    uint32_t wanted = nn_arena_wanted(plan);
    if (wanted == 0)
        return PLAN_SECTION;
    return wanted > slots->board->arena_bytes ? PLAN_ARENA : PLAN_OK;
}

/* Nothing is known of the slot. */
static void forget(struct slots *slots, uint8_t slot)
{
    slots->whole[slot] = 0;
    slots->refused[slot] = PLAN_OK;
    memset(slots->known[slot], 0, sizeof slots->known[slot]);
}

static void note(struct slots *slots, uint8_t slot, int status, const uint8_t sha256[32])
{
    slots->whole[slot] = status == PLAN_OK;
    slots->refused[slot] = status;
    memcpy(slots->known[slot], sha256, sizeof slots->known[slot]);
}

/* Look at what lies there. What does not even begin as a plan is an empty slot, not a refused one. */
static void look(struct slots *slots, uint8_t slot)
{
    struct plan plan;
    uint8_t found[32] = {0};
    int status = check_plan(slots, slot, size_of(slots, slot), &plan);
    if (plan.bytes)
        hash_of(plan.bytes, plan.size, found);
    note(slots, slot, status, found);
    if (status == PLAN_MAGIC)
        forget(slots, slot);
}

int slots_plan(const struct slots *slots, uint8_t slot, struct plan *plan)
{
    memset(plan, 0, sizeof *plan);
    if (slot > 1 || (!slots->whole[slot] && slots->refused[slot] == PLAN_OK))
        return PLAN_MAGIC;
    if (!slots->whole[slot])
        return slots->refused[slot];
    return plan_open(plan, bytes_of(slot), size_of(slots, slot));
}

uint8_t slots_find(const struct slots *slots, const uint8_t sha256[32])
{
    for (uint8_t slot = 0; slot < 2; slot++)
        if (slots->whole[slot] && memcmp(slots->known[slot], sha256, 32) == 0)
            return slot;
    return SLOTS_NONE;
}

/* ---- the state ---- */

/* Write down what is to be true. The confirmed slot is whole, so its hash is known. */
static int record(struct slots *slots, uint8_t confirmed, uint8_t trial)
{
    struct settings settings = slots->store->settings;
    settings.confirmed = confirmed;
    settings.trial = trial;
    memset(settings.sha256, 0, sizeof settings.sha256);
    if (confirmed != SLOTS_NONE)
        memcpy(settings.sha256, slots->known[confirmed], sizeof settings.sha256);
    return store_write(slots->store, &settings) < 0 ? SERVICE_FLASH : SERVICE_OK;
}

/* The slot that a start comes back to, given what lies in both. */
static uint8_t find_confirmed(const struct slots *slots)
{
    const struct settings *settings = &slots->store->settings;
    if (settings->confirmed > 1)
        return SLOTS_NONE;
    uint8_t other = (uint8_t)(1 - settings->confirmed);
    if (slots->whole[settings->confirmed] && memcmp(slots->known[settings->confirmed], settings->sha256, 32) == 0)
        return settings->confirmed;
    return slots->whole[other] ? other : SLOTS_NONE;
}

int slots_start(struct slots *slots, const struct hal_board *board, struct store *store)
{
    memset(slots, 0, sizeof *slots);
    slots->board = board;
    slots->store = store;
    slots->target = SLOTS_NONE;
    for (uint8_t slot = 0; slot < 2; slot++)
        look(slots, slot);
    slots->interrupted = store->settings.trial > 1 ? SLOTS_NONE : store->settings.trial;
    slots->confirmed = slots->active = find_confirmed(slots);
    if (store->settings.trial == SLOTS_NONE && store->settings.confirmed == slots->confirmed)
        return SERVICE_OK;
    return record(slots, slots->confirmed, SLOTS_NONE);
}

int slots_try(struct slots *slots, uint8_t slot, const char **why)
{
    if (slot > 1 || !slots->whole[slot])
        return because(why, SERVICE_NO_MODEL, "there is no model in that slot");
    if (slot == slots->active)
        return SERVICE_OK;
    if (slots->trial)
        return because(why, SERVICE_BUSY, "another model is on trial");
    if (record(slots, slots->confirmed, slot) != SERVICE_OK)
        return because(why, SERVICE_FLASH, "the settings could not be written");
    slots->active = slot;
    slots->trial = 1;
    return SERVICE_OK;
}

int slots_confirm(struct slots *slots, const char **why)
{
    if (slots->active == SLOTS_NONE)
        return because(why, SERVICE_NO_MODEL, "no model runs");
    if (!slots->trial)
        return SERVICE_OK;
    if (record(slots, slots->active, SLOTS_NONE) != SERVICE_OK)
        return because(why, SERVICE_FLASH, "the settings could not be written");
    slots->confirmed = slots->active;
    slots->trial = 0;
    return SERVICE_OK;
}

int slots_revert(struct slots *slots, const char **why)
{
    if (!slots->trial)
        return SERVICE_OK;
    int status = record(slots, slots->confirmed, SLOTS_NONE);
    slots->active = slots->confirmed;
    slots->trial = 0;
    return status == SERVICE_OK ? SERVICE_OK : because(why, status, "the settings could not be written");
}

/* ---- an upload ---- */

static void end_upload(struct slots *slots)
{
    slots->target = SLOTS_NONE;
    slots->length = slots->have = slots->erased = 0;
    slots->pending_bytes = 0;
}

static int flash_failed(struct slots *slots, const char **why, const char *text)
{
    end_upload(slots);
    return because(why, SERVICE_FLASH, text);
}

static uint8_t free_slot(const struct slots *slots)
{
    if (slots->confirmed != SLOTS_NONE)
        return (uint8_t)(1 - slots->confirmed);
    return slots->whole[0] && !slots->whole[1] ? 1 : 0;
}

static int is_same(const struct slots *slots, const struct service_upload *in)
{
    return slots->target != SLOTS_NONE && slots->length == in->length && memcmp(slots->sha256, in->sha256, 32) == 0;
}

/* A first message that is not of the upload that is on: the slot is as good as empty from here on. */
static int begin(struct slots *slots, const struct service_upload *in, const char **why)
{
    uint8_t target = free_slot(slots);
    if (in->length == 0)
        return because(why, SERVICE_INVALID, "a plan of no bytes");
    if (in->length > size_of(slots, target))
        return because(why, SERVICE_TOO_LARGE, "it is larger than a slot");
    end_upload(slots);
    forget(slots, target);
    slots->target = target;
    slots->length = in->length;
    memcpy(slots->sha256, in->sha256, sizeof slots->sha256);
    return SERVICE_OK;
}

/* Make sure that the flash up to `end` is erased: 0, or SERVICE_BUSY after one unit, or SERVICE_FLASH. */
static int make_room(struct slots *slots, uint32_t end, const char **why)
{
    if (slots->erased >= end)
        return SERVICE_OK;
    int32_t unit = hal_flash_erase(area_of(slots->target), slots->erased);
    if (unit <= 0)
        return flash_failed(slots, why, "erasing failed");
    slots->erased += (uint32_t)unit;
    return because(why, SERVICE_BUSY, "erasing");
}

/* Program what waits, filled up with 0xff to a whole piece. */
static int program_pending(struct slots *slots)
{
    uint32_t piece = slots->board->program_bytes, at = slots->have - slots->pending_bytes;
    memset(slots->pending + slots->pending_bytes, 0xff, piece - slots->pending_bytes);
    slots->pending_bytes = 0;
    return hal_flash_program(area_of(slots->target), at, slots->pending, piece);
}

/* Take bytes one piece after the other: what waits is filled first, then all whole pieces go at once, the rest waits. */
static int take(struct slots *slots, const uint8_t *data, uint32_t size)
{
    uint32_t piece = slots->board->program_bytes;
    while (size > 0) {
        uint32_t part = size;
        if (slots->pending_bytes > 0 || size < piece) {
            part = piece - slots->pending_bytes < size ? piece - slots->pending_bytes : size;
            memcpy(slots->pending + slots->pending_bytes, data, part);
            slots->pending_bytes = (uint8_t)(slots->pending_bytes + part);
            slots->have += part;
            if (slots->pending_bytes == piece && program_pending(slots) < 0)
                return -1;
        } else {
            part = size / piece * piece;
            if (hal_flash_program(area_of(slots->target), slots->have, data, part) < 0)
                return -1;
            slots->have += part;
        }
        data += part;
        size -= part;
    }
    return 0;
}

/* All is there: does flash hold what was announced, and is it a plan for this board? */
static int finish(struct slots *slots, int *match, const char **why)
{
    uint8_t slot = slots->target, found[32];
    uint32_t length = slots->length;
    if (slots->pending_bytes > 0 && program_pending(slots) < 0)
        return flash_failed(slots, why, "programming failed");
    end_upload(slots);
    hash_of(bytes_of(slot), length, found);
    if (memcmp(found, slots->sha256, sizeof found) != 0)
        return because(why, SERVICE_HASH, "what arrived has another hash than was announced");
    struct plan plan;
    int status = check_plan(slots, slot, length, &plan);
    if (status == PLAN_OK && plan.size != length)
        status = PLAN_SECTION; /* its hash would be another one at the next start */
    note(slots, slot, status, found);
    if (status != PLAN_OK)
        return because(why, SERVICE_PLAN, plan_why(status));
    *match = 1;
    return SERVICE_OK;
}

/* What every first message asks: is it here already, is it on, may it begin? *done: there is nothing to take. */
static int first_message(struct slots *slots, const struct service_upload *in, uint32_t *next, int *match, int *done,
                         const char **why)
{
    if (in->offset != 0)
        return because(why, SERVICE_OFFSET, "an upload begins at offset 0");
    if (slots_find(slots, in->sha256) != SLOTS_NONE) {
        *next = in->length;
        *match = *done = 1;
        return SERVICE_OK;
    }
    if (slots->trial)
        return because(why, SERVICE_BUSY, "a model is on trial");
    return is_same(slots, in) ? SERVICE_OK : begin(slots, in, why);
}

int slots_upload(struct slots *slots, const struct service_upload *in, uint32_t *next, int *match, const char **why)
{
    int done = 0, status = SERVICE_OK;
    *next = 0;
    *match = 0;
    if (in->first)
        status = first_message(slots, in, next, match, &done, why);
    else if (slots->target == SLOTS_NONE)
        status = because(why, SERVICE_OFFSET, "there is no upload, it begins at offset 0");
    if (status != SERVICE_OK || done)
        return status;
    *next = slots->have;
    if (in->offset > slots->have)
        return because(why, SERVICE_OFFSET, "the upload goes on before that offset");
    if (in->offset < slots->have || in->size == 0)
        return SERVICE_OK;
    if (in->size > slots->length - slots->have)
        return because(why, SERVICE_INVALID, "more bytes than were announced");
    if ((status = make_room(slots, slots->have + in->size, why)) != SERVICE_OK)
        return status;
    if (take(slots, in->data, in->size) < 0)
        return flash_failed(slots, why, "programming failed");
    *next = slots->have;
    return slots->have == slots->length ? finish(slots, match, why) : SERVICE_OK;
}
