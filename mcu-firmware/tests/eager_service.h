/* A service for the fuzz targets of the protocol: it reads every byte that it is given, and answers anything that it may. */
#ifndef EDGED_EAGER_SERVICE_H
#define EDGED_EAGER_SERVICE_H

#include "../proto/service.h"

struct eager {
    uint32_t mood; /* chooses the answers; changes with every call */
    uint32_t sum;  /* of all bytes read, so that no reading is optimised away */
};

static uint32_t eager_next(struct eager *eager)
{
    eager->mood = eager->mood * 1664525u + 1013904223u;
    return eager->mood >> 16;
}

static void eager_read(struct eager *eager, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        eager->sum += bytes[i];
}

static const uint8_t *eager_bytes(void)
{
    static const uint8_t bytes[256] = {1, 2, 3, 0x80, 0xff, 0xc3};

    return bytes;
}

static const char *eager_text(struct eager *eager)
{
    static const char *const texts[] = {"", "a", "h\xc3\xb6rt", "no UTF-8: \xff\xfe", "half: \xe2\x82",
                                        "a text that is quite a bit longer than any buffer should have to care about"};

    return texts[eager_next(eager) % (sizeof texts / sizeof texts[0])];
}

static int eager_error(struct eager *eager, const char **why)
{
    uint32_t choice = eager_next(eager);

    if (choice & 1u)
        *why = eager_text(eager);
    return choice & 2u ? 0 : (int)(choice >> 2 & 15u) - 2;
}

static int eager_reset(void *app)
{
    return (int)(eager_next(app) & 1u);
}

static uint64_t eager_datetime(void *app)
{
    return (uint64_t)eager_next(app) << 48 | (uint64_t)eager_next(app) << 20;
}

static void eager_set_datetime(void *app, uint64_t ms)
{
    ((struct eager *)app)->sum += (uint32_t)ms;
}

static void eager_task(void *app, struct service_task *out)
{
    out->stack_bytes = out->stack_used = UINT32_MAX - eager_next(app);
}

static void eager_hello(void *app, struct service_hello *out)
{
    out->firmware = eager_text(app);
    out->board = eager_text(app);
    out->chip = eager_text(app);
    out->reset = eager_text(app);
    out->uid = eager_bytes();
    out->image = eager_next(app) & 1u ? eager_bytes() : NULL;
    out->up_ms = UINT64_MAX;
}

static int eager_subscribe(void *app, uint32_t lease_ms, int has_from, uint32_t from, uint32_t *granted_ms,
                           const char **why)
{
    *granted_ms = has_from ? from : lease_ms;
    return eager_error(app, why);
}

static void eager_answered(void *app, uint8_t command, uint8_t sequence, int rc)
{
    ((struct eager *)app)->sum += (uint32_t)command + sequence + (uint32_t)rc;
}

static void eager_heartbeat(void *app, struct service_heartbeat *out)
{
    out->slot = (uint8_t)eager_next(app);
    out->heard = UINT64_MAX;
    out->state = eager_text(app);
}

static void eager_slots(void *app, struct service_slots *out)
{
    for (int i = 0; i < 2; i++) {
        out->slot[i].state = eager_text(app);
        out->slot[i].sha256 = eager_next(app) & 1u ? eager_bytes() : NULL;
        out->slot[i].name = eager_next(app) & 1u ? (const char *)eager_bytes() : NULL;
        out->slot[i].name_bytes = (uint8_t)eager_next(app);
        out->slot[i].why = eager_next(app) & 1u ? eager_text(app) : NULL;
    }
    out->active = (uint8_t)eager_next(app);
    out->confirmed = 0xff;
}

static int eager_upload(void *app, const struct service_upload *in, uint32_t *next, int *match, const char **why)
{
    eager_read(app, in->data, in->size);
    if (in->first)
        eager_read(app, in->sha256, 32);
    *next = in->offset;
    *match = (int)(eager_next(app) & 1u);
    return eager_error(app, why);
}

static int eager_try_model(void *app, const uint8_t sha256[32], uint32_t trial_ms, const char **why)
{
    eager_read(app, sha256, 32);
    ((struct eager *)app)->sum += trial_ms;
    return eager_error(app, why);
}

static int eager_confirm(void *app, const uint8_t sha256[32], const char **why)
{
    eager_read(app, sha256, 32);
    return eager_error(app, why);
}

static int eager_revert(void *app, const char **why)
{
    return eager_error(app, why);
}

static int eager_inject_mode(void *app, int on, const char **why)
{
    ((struct eager *)app)->sum += (uint32_t)on;
    return eager_error(app, why);
}

static int eager_inject(void *app, uint64_t offset, const uint8_t *samples, uint32_t bytes, struct service_injected *out,
                        const char **why)
{
    uint32_t room = out->outputs_bytes;

    eager_read(app, samples, bytes);
    out->offset = offset + bytes / 2;
    out->runs = UINT32_MAX;
    out->outputs_bytes = eager_next(app) & 1u ? room : eager_next(app) % (room + 1);
    for (uint32_t i = 0; i < out->outputs_bytes; i++)
        out->outputs[i] = (uint8_t)i;
    return eager_error(app, why);
}

static int eager_selftest(void *app, struct service_selftest *out, const char **why)
{
    out->differs = (int32_t)eager_next(app) - 100;
    return eager_error(app, why);
}

static int eager_record(void *app, struct service_recorded *out, const char **why)
{
    uint32_t room = out->data_bytes;

    out->from = out->has_from ? out->from : UINT64_MAX;
    out->data_bytes = eager_next(app) & 1u ? room : eager_next(app) % (room + 1);
    for (uint32_t i = 0; i < out->data_bytes; i++)
        out->data[i] = (uint8_t)i;
    return eager_error(app, why);
}

static struct service eager_service(struct eager *eager)
{
    return (struct service){
        .app = eager,
        .reset = eager_reset,
        .datetime = eager_datetime,
        .set_datetime = eager_set_datetime,
        .task = eager_task,
        .hello = eager_hello,
        .subscribe = eager_subscribe,
        .answered = eager_answered,
        .heartbeat = eager_heartbeat,
        .slots = eager_slots,
        .upload = eager_upload,
        .try_model = eager_try_model,
        .confirm = eager_confirm,
        .revert = eager_revert,
        .inject_mode = eager_inject_mode,
        .inject = eager_inject,
        .selftest = eager_selftest,
        .record = eager_record,
    };
}

#endif
