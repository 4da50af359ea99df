#include "server.h"

#include <string.h>

/* ---- OS group ---- */

static int reset(void *context)
{
    struct app *app = context;
    app->reset_us = app->now_us + APP_RESET_US;
    return SERVICE_OK;
}

static uint64_t datetime(void *context)
{
    const struct app *app = context;
    return app->date_ms == 0 ? 0 : app->date_ms + app->now_us / 1000;
}

static void set_datetime(void *context, uint64_t ms)
{
    struct app *app = context;
    app->date_ms = ms - app->now_us / 1000;
}

static void task(void *context, struct service_task *out)
{
    const struct app *app = context;
    uint32_t bytes = app->board->stack_bytes, left = app->stack_free();

    out->stack_bytes = bytes;
    out->stack_used = left < bytes ? bytes - left : 0;
    out->switches = app->sleeps;
    out->awake_ms = (uint32_t)((app->now_us - app->idle_us) / 1000);
}

/* ---- who, and how ---- */

static const char *reset_reason(enum hal_reset_reason reason)
{
    static const char *const names[] = {
        [HAL_RESET_UNKNOWN] = "unknown",   [HAL_RESET_POWER] = "power",       [HAL_RESET_PIN] = "pin",
        [HAL_RESET_SOFTWARE] = "software", [HAL_RESET_WATCHDOG] = "watchdog", [HAL_RESET_FAULT] = "fault",
    };
    return names[(size_t)reason < sizeof names / sizeof *names ? reason : HAL_RESET_UNKNOWN];
}

static void hello(void *context, struct service_hello *out)
{
    const struct app *app = context;
    const struct hal_board *board = app->board;

    *out = (struct service_hello){
        .firmware = APP_VERSION,
        .board = board->name,
        .chip = board->chip,
        .uid = board->uid,
        .image = board->image,
        .boot = app->model.store.settings.boot,
        .reset = reset_reason(app->reason),
        .up_ms = app->now_us / 1000,
        .baud = board->baud,
        .next = app->ring.head.next,
        .first = app->ring.head.first,
        .microphone = app->microphone,
    };
}

/* A lease of 0 ends it. Whoever subscribes anew, or says from where, is told at once what waits. */
static int subscribe(void *context, uint32_t lease_ms, int has_from, uint32_t from, uint32_t *granted_ms,
                     const char **why)
{
    struct app *app = context;
    uint32_t granted = lease_ms < APP_LEASE_MS_MAX ? lease_ms : APP_LEASE_MS_MAX;

    (void)why;
    if (has_from)
        ring_acknowledge(&app->ring, from);
    if (has_from || app->lease_until_us == 0)
        app->waiting = 0;
    if (app->lease_until_us == 0)
        app->heartbeat_us = app->now_us;
    app->lease_until_us = granted == 0 ? 0 : app->now_us + 1000ull * granted;
    *granted_ms = granted;
    return SERVICE_OK;
}

static void answered(void *context, uint8_t command, uint8_t sequence, int rc)
{
    struct app *app = context;

    if (command != SERVICE_EVENT || !app->waiting || sequence != app->waiting_sequence || rc != 0)
        return;
    app->waiting = 0;
    ring_arrived(&app->ring, app->waiting_number);
}

/* Since the last time somebody asked, at least a second ago: two that ask do not shorten each other's time to nothing. */
static uint32_t idle_share(struct app *app)
{
    uint64_t since = app->now_us - app->share_since_us;

    if (since >= 1000000u) {
        app->idle_permille = (uint32_t)(1000u * (app->idle_us - app->share_idle_us) / since);
        app->share_idle_us = app->idle_us;
        app->share_since_us = app->now_us;
    }
    return app->idle_permille;
}

static const char *state(const struct app *app)
{
    if (!app->model.hear.open)
        return "empty";
    if (app->injecting)
        return "injected";
    return app->model.slots.trial ? "trial" : "listening";
}

static void heartbeat(void *context, struct service_heartbeat *out)
{
    struct app *app = context;
    const struct hear *hear = &app->model.hear;

    *out = (struct service_heartbeat){
        .boot = app->model.store.settings.boot,
        .up_ms = app->now_us / 1000,
        .idle_permille = idle_share(app),
        .next = app->ring.head.next,
        .first = app->ring.head.first,
        .dropped = app->ring.dropped,
        .heard = (app->injecting ? app->aside : hear->heard) - app->missed - app->ignored,
        .missed = app->missed,
        .runs = hear->runs,
        .link_lost = app->link_lost,
        .link_bad = app->reader.bad,
        .arena_bytes = hear->open ? nn_arena_bytes(&hear->nn) : 0,
        .stack_free = app->stack_free(),
        .slot = hear->open ? app->model.slots.active : SLOTS_NONE,
        .state = state(app),
    };
}

/* ---- models ---- */

static void fill_slot(const struct model *model, uint8_t slot, struct service_slot *out)
{
    const struct slots *slots = &model->slots;
    struct plan plan;

    out->state = "empty";
    if (slots->target == slot) {
        out->state = "partial";
        out->bytes = slots->have;
        out->sha256 = slots->sha256;
    } else if (slots->whole[slot]) {
        out->state = model->why[slot] == NULL ? "whole" : "refused";
        out->bytes = slots_plan(slots, slot, &plan) == PLAN_OK ? plan.size : 0;
        out->sha256 = slots->known[slot];
        out->name_bytes = model_name(model, slot, &out->name);
        out->why = model->why[slot];
    } else if (slots->refused[slot] != PLAN_OK) {
        out->state = "refused";
        out->why = plan_why(slots->refused[slot]);
    }
}

static void slots(void *context, struct service_slots *out)
{
    const struct app *app = context;
    const struct model *model = &app->model;

    memset(out, 0, sizeof *out);
    fill_slot(model, 0, &out->slot[0]);
    fill_slot(model, 1, &out->slot[1]);
    out->slot_bytes = app->board->area_bytes[HAL_AREA_SLOT_0];
    out->active = model->slots.active;
    out->confirmed = model->slots.confirmed;
    out->trial = model->slots.trial;
    if (out->trial && model->trial_until_us > app->now_us)
        out->trial_left_ms = (uint32_t)((model->trial_until_us - app->now_us) / 1000);
}

static int upload(void *context, const struct service_upload *in, uint32_t *next, int *match, const char **why)
{
    struct app *app = context;
    struct model *model = &app->model;
    int status = slots_upload(&model->slots, in, next, match, why);

    if (model->slots.target != SLOTS_NONE)
        model->why[model->slots.target] = NULL; /* what is known against it was of the plan before */
    return status;
}

static int try_model(void *context, const uint8_t sha256[32], uint32_t trial_ms, const char **why)
{
    struct app *app = context;
    return model_try(&app->model, sha256, app->now_us + 1000ull * trial_ms, why);
}

static int confirm(void *context, const uint8_t sha256[32], const char **why)
{
    struct app *app = context;
    return model_confirm(&app->model, sha256, why);
}

static int revert(void *context, const char **why)
{
    struct app *app = context;
    return model_revert(&app->model, why);
}

/* The section GOLD: u32 seed, u16 windows. */
static uint32_t golden_windows(const struct plan *plan)
{
    struct plan_section section;
    int status = plan_find(plan, "GOLD", &section);
    return status == PLAN_OK && section.size >= 6 ? section.bytes[4] | (uint32_t)section.bytes[5] << 8 : 0;
}

static int selftest(void *context, struct service_selftest *out, const char **why)
{
    struct app *app = context;
    struct hear *hear = &app->model.hear;
    uint32_t windows;
    uint64_t began;
    int differs;

    if (!hear->open) {
        *why = "there is no model";
        return SERVICE_NO_MODEL;
    }
    hear_reset(hear, &app->out);
    windows = golden_windows(&hear->plan);
    began = app->micros();
    differs = nn_golden(&hear->nn, &hear->plan);
    if (differs < 0) {
        *why = plan_why(differs);
        return SERVICE_PLAN;
    }
    out->windows = windows;
    out->differs = differs - 1;
    out->micros = windows == 0 ? 0 : (uint32_t)((app->micros() - began) / windows);
    return SERVICE_OK;
}

/* ---- the microphone ---- */

uint64_t server_microphone_clock(const struct app *app)
{
    return app->injecting ? app->aside : app->model.hear.heard;
}

static int record(void *context, struct service_recorded *out, const char **why)
{
    struct app *app = context;
    size_t count = out->data_bytes / 2;

    out->data_bytes = 0;
    if (!app->microphone) {
        *why = "there is no microphone";
        return SERVICE_INVALID;
    }
    if (out->has_from && out->from > server_microphone_clock(app)) {
        *why = "that sample was not heard yet";
        return SERVICE_OFFSET;
    }
    if (app->tape_until_us == 0)
        tape_start(&app->tape, server_microphone_clock(app));
    app->tape_until_us = app->now_us + APP_TAPE_US;
    if (!out->has_from)
        out->from = app->tape.next;
    out->data_bytes = 2 * (uint32_t)tape_read(&app->tape, &out->from, out->data, count);
    return SERVICE_OK;
}

/* ---- injection ---- */

void server_end_injection(struct app *app)
{
    if (!app->injecting)
        return;
    hear_reset(&app->model.hear, &app->out);
    app->injecting = 0;
    app->model.hear.heard = app->aside;
}

static int inject_mode(void *context, int on, const char **why)
{
    struct app *app = context;
    struct hear *hear = &app->model.hear;

    server_end_injection(app);
    if (!on)
        return SERVICE_OK;
    if (!hear->open) {
        *why = "there is no model";
        return SERVICE_NO_MODEL;
    }
    hear_reset(hear, &app->out);
    app->aside = hear->heard;
    hear->heard = 0;
    app->injected = 0;
    app->injecting = 1;
    app->inject_until_us = app->now_us + APP_INJECT_US;
    return SERVICE_OK;
}

static int check_injection(const struct app *app, uint64_t offset, uint32_t bytes, const struct service_injected *out,
                           const char **why)
{
    const struct hear *hear = &app->model.hear;
    uint32_t runs = (bytes / 2 + FRONTEND_STEP - 1) / FRONTEND_STEP;

    if (!app->injecting) {
        *why = "injection is not on";
        return SERVICE_INVALID;
    }
    if (bytes % 2 != 0) {
        *why = "half a sample";
        return SERVICE_INVALID;
    }
    if (hear->open && (uint64_t)runs * nn_output_bytes(&hear->nn) > out->outputs_bytes) {
        *why = "the outputs might not fit the answer: send fewer samples";
        return SERVICE_TOO_LARGE;
    }
    if (offset != app->injected) {
        *why = "the sound goes on elsewhere";
        return SERVICE_OFFSET;
    }
    return SERVICE_OK;
}

static void push_bytes(struct app *app, const uint8_t *bytes, size_t count)
{
    int16_t samples[FRONTEND_STEP];

    while (count > 0) {
        size_t some = count < FRONTEND_STEP ? count : FRONTEND_STEP;
        for (size_t i = 0; i < some; i++)
            samples[i] = (int16_t)(uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
        hear_push(&app->model.hear, samples, some, &app->out);
        bytes += 2 * some;
        count -= some;
    }
}

/* Heard whole before it is answered. */
static int inject(void *context, uint64_t offset, const uint8_t *samples, uint32_t bytes, struct service_injected *out,
                  const char **why)
{
    struct app *app = context;
    int status = check_injection(app, offset, bytes, out, why);

    app->injection_room = out->outputs_bytes;
    out->runs = 0;
    out->outputs_bytes = 0;
    if (status == SERVICE_OK) {
        app->injection = out;
        app->inject_until_us = app->now_us + APP_INJECT_US;
        push_bytes(app, samples, bytes / 2);
        app->injected += bytes / 2;
        app->injection = NULL;
    }
    out->offset = app->injected;
    return status;
}

void server_start(struct app *app)
{
    app->service = (struct service){
        .app = app,
        .reset = reset,
        .datetime = datetime,
        .set_datetime = set_datetime,
        .task = task,
        .hello = hello,
        .subscribe = subscribe,
        .answered = answered,
        .heartbeat = heartbeat,
        .slots = slots,
        .upload = upload,
        .try_model = try_model,
        .confirm = confirm,
        .revert = revert,
        .inject_mode = inject_mode,
        .inject = inject,
        .selftest = selftest,
        .record = record,
    };
}
