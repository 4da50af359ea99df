/* Group 65: this firmware's own. Keys in the order of canonical CBOR. */
#include <string.h>

#include "exchange.h"
#include "smp.h"

#define SHA256_BYTES 32
#define MODEL_BYTES 8
#define UID_BYTES 12
#define NO_SLOT 0xff

/* In version 1 there are only SMP's own errors. */
static int version_1(int error)
{
    static const uint8_t own[] = {
        [SERVICE_UNKNOWN] = SMP_EUNKNOWN, [SERVICE_TOO_LARGE] = SMP_EMSGSIZE, [SERVICE_OFFSET] = SMP_EINVAL,
        [SERVICE_HASH] = SMP_ECORRUPT,    [SERVICE_PLAN] = SMP_ECORRUPT,      [SERVICE_NO_MODEL] = SMP_ENOENT,
        [SERVICE_FLASH] = SMP_EUNKNOWN,   [SERVICE_BUSY] = SMP_EBUSY,         [SERVICE_GOLDEN] = SMP_ECORRUPT,
        [SERVICE_INVALID] = SMP_EINVAL,
    };

    return error > 0 && (size_t)error < sizeof own ? own[error] : SMP_EUNKNOWN;
}

/* What a service gives, as a handler must: an error that is none of ours is an unknown one. */
static int result(int error)
{
    return error >= 0 ? error : SERVICE_UNKNOWN;
}

static void put_slot_number(struct body_writer *body, const char *key, uint8_t slot)
{
    if (slot == NO_SLOT)
        body_put_null(body, key);
    else
        body_put_uint(body, key, slot);
}

/* A key that must be there with 32 bytes. */
static int need_sha256(struct exchange *exchange, const uint8_t **sha256)
{
    struct body_text bytes;

    if (body_bstr(&exchange->request, "sha", &bytes) != BODY_FOUND || bytes.size != SHA256_BYTES)
        return exchange_malformed(exchange, "sha: 32 bytes are needed");
    *sha256 = bytes.at;
    return 0;
}

static int hello(struct exchange *exchange)
{
    struct body_writer *body = &exchange->response;
    struct service_hello hello = {0};

    exchange->service->hello(exchange->service->app, &hello);
    body_put_text(body, "fw", hello.firmware);
    body_put_uint(body, "up", hello.up_ms);
    body_put_uint(body, "buf", SMP_BUFFER_BYTES);
    body_put_bool(body, "mic", hello.microphone != 0);
    body_put_bstr(body, "uid", hello.uid, UID_BYTES);
    body_put_uint(body, "baud", hello.baud);
    body_put_uint(body, "boot", hello.boot);
    body_put_text(body, "chip", hello.chip);
    body_put_uint(body, "next", hello.next);
    body_put_text(body, "board", hello.board);
    body_put_uint(body, "first", hello.first);
    body_put_uint(body, "proto", SERVICE_PROTOCOL);
    body_put_text(body, "reset", hello.reset);
    return 0;
}

static int subscribe(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    uint32_t lease_ms = 0, from = 0, granted_ms = 0;
    enum body_found has_from;
    int error;

    if (body_uint32(&exchange->request, "lease", &lease_ms) != BODY_FOUND)
        return exchange_malformed(exchange, "lease: milliseconds are needed");
    has_from = body_uint32(&exchange->request, "from", &from);
    if (has_from == BODY_WRONG)
        return exchange_malformed(exchange, "from: the number of an event");
    error = service->subscribe(service->app, lease_ms, has_from == BODY_FOUND, from, &granted_ms, &exchange->why);
    if (error == 0)
        body_put_uint(&exchange->response, "lease", granted_ms);
    return result(error);
}

void edged_put_event(struct body_writer *body, const struct service_event *event)
{
    body_put_uint(body, "n", event->number);
    body_put_uint(body, "at", event->at);
    body_put_uint(body, "ms", event->at_ms);
    body_put_uint(body, "boot", event->boot);
    body_put_uint(body, "kind", event->kind);
    body_put_uint(body, "mean", event->mean);
    body_put_uint(body, "peak", event->peak);
    body_put_uint(body, "began", event->began);
    body_put_tstr(body, "label", event->label, event->label_bytes);
    body_put_bstr(body, "model", event->model, MODEL_BYTES);
    body_put_uint(body, "score", event->score);
}

void edged_put_heartbeat(struct body_writer *body, const struct service_heartbeat *heartbeat)
{
    body_put_uint(body, "up", heartbeat->up_ms);
    body_put_uint(body, "bad", heartbeat->link_bad);
    body_put_uint(body, "boot", heartbeat->boot);
    body_put_uint(body, "idle", heartbeat->idle_permille);
    body_put_uint(body, "lost", heartbeat->link_lost);
    body_put_uint(body, "next", heartbeat->next);
    body_put_uint(body, "runs", heartbeat->runs);
    put_slot_number(body, "slot", heartbeat->slot);
    body_put_uint(body, "arena", heartbeat->arena_bytes);
    body_put_uint(body, "first", heartbeat->first);
    body_put_uint(body, "heard", heartbeat->heard);
    body_put_uint(body, "stack", heartbeat->stack_free);
    body_put_text(body, "state", heartbeat->state);
    body_put_uint(body, "missed", heartbeat->missed);
    body_put_uint(body, "dropped", heartbeat->dropped);
}

static int heartbeat(struct exchange *exchange)
{
    struct service_heartbeat heartbeat = {0};

    exchange->service->heartbeat(exchange->service->app, &heartbeat);
    edged_put_heartbeat(&exchange->response, &heartbeat);
    return 0;
}

static void put_slot(struct body_writer *body, const struct service_slot *slot)
{
    body_put_map(body, NULL);
    if (slot->sha256 != NULL)
        body_put_bstr(body, "sha", slot->sha256, SHA256_BYTES);
    if (slot->why != NULL)
        body_put_text(body, "why", slot->why);
    if (slot->name != NULL)
        body_put_tstr(body, "name", slot->name, slot->name_bytes);
    body_put_uint(body, "bytes", slot->bytes);
    body_put_text(body, "state", slot->state);
    body_put_map_end(body);
}

static int slots(struct exchange *exchange)
{
    struct body_writer *body = &exchange->response;
    struct service_slots slots = {0};

    exchange->service->slots(exchange->service->app, &slots);
    body_put_uint(body, "left", slots.trial_left_ms);
    body_put_uint(body, "size", slots.slot_bytes);
    body_put_list(body, "slots");
    put_slot(body, &slots.slot[0]);
    put_slot(body, &slots.slot[1]);
    body_put_list_end(body);
    body_put_bool(body, "trial", slots.trial != 0);
    put_slot_number(body, "active", slots.active);
    put_slot_number(body, "confirmed", slots.confirmed);
    return 0;
}

/* Offset and data, and with the first message of an upload length and hash; 0 or an error. */
static int read_upload(struct exchange *exchange, struct service_upload *upload)
{
    struct body *request = &exchange->request;
    enum body_found has_length = body_uint32(request, "len", &upload->length);
    enum body_found has_hash;
    struct body_text data, hash = {0};

    if (body_uint32(request, "off", &upload->offset) != BODY_FOUND)
        return exchange_malformed(exchange, "off: where the data belongs is needed");
    if (body_bstr(request, "data", &data) != BODY_FOUND)
        return exchange_malformed(exchange, "data: bytes are needed");
    has_hash = body_bstr(request, "sha", &hash);
    if (has_length == BODY_WRONG || has_length != has_hash || (has_hash == BODY_FOUND && hash.size != SHA256_BYTES))
        return exchange_malformed(exchange, "len and sha: both or neither, a number and 32 bytes");
    upload->data = data.at;
    upload->size = (uint32_t)data.size;
    upload->first = has_length == BODY_FOUND;
    upload->sha256 = upload->first ? hash.at : NULL;
    return 0;
}

static int upload(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    struct service_upload upload = {0};
    uint32_t next = 0;
    int match = 0, error = read_upload(exchange, &upload);

    if (error != 0)
        return error;
    error = service->upload(service->app, &upload, &next, &match, &exchange->why);
    body_put_uint(&exchange->response, "off", next);
    if (match)
        body_put_bool(&exchange->response, "match", true);
    return result(error);
}

static int try_model(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    const uint8_t *sha256 = NULL;
    uint32_t trial_ms = 0;
    int error = need_sha256(exchange, &sha256);

    if (error != 0)
        return error;
    if (body_uint32(&exchange->request, "ms", &trial_ms) != BODY_FOUND)
        return exchange_malformed(exchange, "ms: how long the trial may take is needed");
    return result(service->try_model(service->app, sha256, trial_ms, &exchange->why));
}

static int confirm(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    const uint8_t *sha256 = NULL;
    int error = need_sha256(exchange, &sha256);

    return error != 0 ? error : result(service->confirm(service->app, sha256, &exchange->why));
}

static int revert(struct exchange *exchange)
{
    return result(exchange->service->revert(exchange->service->app, &exchange->why));
}

/* Samples. The service puts the outputs at the end of where the response is made, from where they move into it. */
static int inject_samples(struct exchange *exchange, struct body_text data)
{
    const struct service *service = exchange->service;
    struct body_writer *body = &exchange->response;
    size_t beside = SMP_HEADER_BYTES + 32; /* header, keys, numbers and heads of the response: 8 + 32 at most */
    size_t room = exchange->capacity > beside ? exchange->capacity - beside : 0;
    struct service_injected out = {.outputs = exchange->out + exchange->capacity - room,
                                   .outputs_bytes = (uint32_t)room};
    uint64_t offset = 0;
    int error;

    if (body_uint64(&exchange->request, "off", &offset) != BODY_FOUND)
        return exchange_malformed(exchange, "off: where the samples belong is needed");
    if (data.size % 2 != 0)
        return exchange_malformed(exchange, "data: samples are of two bytes");
    error = service->inject(service->app, offset, data.at, (uint32_t)data.size, &out, &exchange->why);
    if (error != 0)
        return result(error);
    if (out.outputs_bytes > room)
        return -SMP_EMSGSIZE;
    body_put_uint(body, "off", out.offset);
    body_put_bstr(body, "out", out.outputs, out.outputs_bytes);
    body_put_uint(body, "runs", out.runs);
    return 0;
}

static int inject(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    struct body_text data;
    bool on = false;
    enum body_found has_on = body_bool(&exchange->request, "on", &on);
    enum body_found has_data = body_bstr(&exchange->request, "data", &data);

    if (has_on == BODY_FOUND && has_data == BODY_ABSENT)
        return result(service->inject_mode(service->app, on, &exchange->why));
    if (has_on == BODY_ABSENT && has_data == BODY_FOUND)
        return inject_samples(exchange, data);
    return exchange_malformed(exchange, "on: true or false, or data: bytes; one of them");
}

static int selftest(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    struct body_writer *body = &exchange->response;
    struct service_selftest test = {.differs = -1};
    int error = service->selftest(service->app, &test, &exchange->why);

    if (error != 0)
        return result(error);
    body_put_uint(body, "us", test.micros);
    if (test.differs < 0)
        body_put_null(body, "differs");
    else
        body_put_uint(body, "differs", (uint32_t)test.differs);
    body_put_uint(body, "windows", test.windows);
    return 0;
}

/* As with injection, the samples come where the response ends, and move into it. */
static int record(struct exchange *exchange)
{
    const struct service *service = exchange->service;
    size_t beside = SMP_HEADER_BYTES + 32; /* header, keys and heads of the response: 8 + 23 at most */
    size_t room = exchange->capacity > beside ? exchange->capacity - beside : 0;
    struct service_recorded out = {.data = exchange->out + exchange->capacity - room, .data_bytes = (uint32_t)room};
    enum body_found has_from = body_uint64(&exchange->request, "from", &out.from);
    int error;

    if (has_from == BODY_WRONG)
        return exchange_malformed(exchange, "from: the number of a sample");
    out.has_from = has_from == BODY_FOUND;
    error = service->record(service->app, &out, &exchange->why);
    if (error != 0)
        return result(error);
    if (out.data_bytes > room)
        return -SMP_EMSGSIZE;
    body_put_bstr(&exchange->response, "data", out.data, out.data_bytes);
    body_put_uint(&exchange->response, "from", out.from);
    return 0;
}

static const struct smp_command commands[] = {
    {SERVICE_HELLO, hello, NULL},         {SERVICE_SUBSCRIBE, NULL, subscribe}, {SERVICE_HEARTBEAT, heartbeat, NULL},
    {SERVICE_SLOTS, slots, NULL},         {SERVICE_UPLOAD, NULL, upload},       {SERVICE_TRY, NULL, try_model},
    {SERVICE_CONFIRM, NULL, confirm},     {SERVICE_REVERT, NULL, revert},       {SERVICE_INJECT, NULL, inject},
    {SERVICE_SELFTEST, NULL, selftest},   {SERVICE_RECORD, record, NULL},
};

const struct smp_group smp_group_edged = {
    .number = SERVICE_GROUP,
    .commands = sizeof commands / sizeof commands[0],
    .name = "edged",
    .command = commands,
    .version_1 = version_1,
};
