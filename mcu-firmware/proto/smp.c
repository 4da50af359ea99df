#include "smp.h"

#include <string.h>

#include "exchange.h"

enum { READ = 0, READ_RESPONSE = 1, WRITE = 2, WRITE_RESPONSE = 3 };
enum { VERSION_1 = 0, VERSION_2 = 1 };

struct header {
    uint8_t op, version;
    uint16_t length, group;
    uint8_t sequence, command;
};

const struct smp_group *const smp_groups[SMP_GROUPS] = {
    &smp_group_os,
    &smp_group_image,
    &smp_group_enum,
    &smp_group_edged,
};

static struct header read_header(const uint8_t *from)
{
    return (struct header){
        .op = from[0] & 7u,
        .version = from[0] >> 3 & 3u,
        .length = (uint16_t)(from[2] << 8 | from[3]),
        .group = (uint16_t)(from[4] << 8 | from[5]),
        .sequence = from[6],
        .command = from[7],
    };
}

static void write_header(const struct header *header, uint8_t *to)
{
    to[0] = (uint8_t)(header->version << 3 | header->op);
    to[1] = 0; /* no flag is defined */
    to[2] = (uint8_t)(header->length >> 8);
    to[3] = (uint8_t)header->length;
    to[4] = (uint8_t)(header->group >> 8);
    to[5] = (uint8_t)header->group;
    to[6] = header->sequence;
    to[7] = header->command;
}

/* Close the body and put the header before it; gives the bytes of the message, 0 when it did not fit. */
static size_t finish(struct body_writer *body, struct header *header, uint8_t *out)
{
    size_t bytes = body_end(body, out + SMP_HEADER_BYTES);

    if (bytes == 0 || bytes > UINT16_MAX)
        return 0;
    header->length = (uint16_t)bytes;
    write_header(header, out);
    return SMP_HEADER_BYTES + bytes;
}

/* ---- responses ---- */

static const struct smp_group *find_group(uint16_t number)
{
    for (size_t i = 0; i < SMP_GROUPS; i++)
        if (smp_groups[i]->number == number)
            return smp_groups[i];
    return NULL;
}

static smp_handler *find_handler(const struct smp_group *group, const struct header *header)
{
    for (size_t i = 0; group != NULL && i < group->commands; i++)
        if (group->command[i].number == header->command)
            return header->op == READ ? group->command[i].read : group->command[i].write;
    return NULL;
}

static size_t begin_response(struct exchange *exchange)
{
    if (exchange->capacity <= SMP_HEADER_BYTES)
        return 0;
    body_begin(&exchange->response, exchange->out + SMP_HEADER_BYTES, exchange->capacity - SMP_HEADER_BYTES);
    return 1;
}

/* error < 0: SMP's own, which has one form in both versions. */
static size_t refuse(struct exchange *exchange, const struct smp_group *group, struct header *header, int error)
{
    struct body_writer *body = &exchange->response;

    if (!begin_response(exchange))
        return 0;
    if (error > 0 && header->version == VERSION_1)
        error = -group->version_1(error);
    if (error < 0) {
        body_put_uint(body, "rc", (uint32_t)-error);
    } else {
        body_put_map(body, "err");
        body_put_uint(body, "rc", (uint32_t)error);
        body_put_uint(body, "group", group->number);
        body_put_map_end(body);
    }
    if (exchange->why != NULL)
        body_put_text(body, "rsn", exchange->why);
    return finish(body, header, exchange->out);
}

int exchange_malformed(struct exchange *exchange, const char *why)
{
    exchange->why = why;
    return -SMP_EINVAL;
}

/* 0, or an error as a handler gives it. */
static int handle(struct exchange *exchange, const struct smp_group *group, const struct header *header,
                  const uint8_t *body, size_t bytes)
{
    smp_handler *handler = find_handler(group, header);

    if (header->version > VERSION_2)
        return -SMP_ETOONEW;
    if (header->length != bytes)
        return -SMP_ECORRUPT;
    if (handler == NULL)
        return -SMP_ENOTSUP;
    if (body_open(&exchange->request, body, bytes) < 0)
        return exchange_malformed(exchange, "the body is not one map, or too deep");
    return handler(exchange);
}

static size_t respond(const struct service *service, struct header *header, const uint8_t *body, size_t bytes,
                      uint8_t *out, size_t capacity)
{
    struct exchange exchange = {.service = service, .out = out, .capacity = capacity};
    const struct smp_group *group = find_group(header->group);
    size_t made = 0;
    int error;

    if (!begin_response(&exchange))
        return 0;
    error = handle(&exchange, group, header, body, bytes);
    header->op = header->op == READ ? READ_RESPONSE : WRITE_RESPONSE;
    if (header->version > VERSION_2)
        header->version = VERSION_2;
    if (error == 0)
        made = finish(&exchange.response, header, out);
    if (error == 0 && made == 0) {
        exchange.why = NULL;
        error = -SMP_EMSGSIZE;
    }
    return error == 0 ? made : refuse(&exchange, group, header, error);
}

/* ---- the answer to a request of ours ---- */

static void answer(const struct service *service, const struct header *header, const uint8_t *bytes, size_t size)
{
    struct body body, error;
    enum body_found found;
    int32_t rc = 0;

    if (header->op != WRITE_RESPONSE || header->group != SERVICE_GROUP || header->length != size)
        return;
    if ((header->command != SERVICE_EVENT && header->command != SERVICE_HEARTBEAT) || body_open(&body, bytes, size) < 0)
        return;
    found = body_map(&body, "err", &error);
    if (found == BODY_FOUND)
        found = body_int32(&error, "rc", &rc) == BODY_FOUND ? BODY_FOUND : BODY_WRONG;
    else if (found == BODY_ABSENT)
        found = body_int32(&body, "rc", &rc);
    if (found != BODY_WRONG)
        service->answered(service->app, header->command, header->sequence, (int)rc);
}

size_t smp_receive(const struct service *service, const uint8_t *message, size_t bytes, uint8_t *out, size_t capacity)
{
    struct header header;

    if (bytes < SMP_HEADER_BYTES)
        return 0;
    header = read_header(message);
    message += SMP_HEADER_BYTES;
    bytes -= SMP_HEADER_BYTES;
    if (header.op == READ || header.op == WRITE)
        return respond(service, &header, message, bytes, out, capacity);
    answer(service, &header, message, bytes);
    return 0;
}

/* ---- requests of ours ---- */

static size_t finish_request(struct body_writer *body, uint8_t command, uint8_t sequence, uint8_t *out)
{
    struct header header = {.op = WRITE, .version = VERSION_2, .group = SERVICE_GROUP, .sequence = sequence,
                            .command = command};

    return finish(body, &header, out);
}

size_t smp_event(const struct service_event *event, uint8_t sequence, uint8_t *out, size_t capacity)
{
    struct body_writer body;

    if (capacity <= SMP_HEADER_BYTES)
        return 0;
    body_begin(&body, out + SMP_HEADER_BYTES, capacity - SMP_HEADER_BYTES);
    edged_put_event(&body, event);
    return finish_request(&body, SERVICE_EVENT, sequence, out);
}

size_t smp_heartbeat(const struct service_heartbeat *heartbeat, uint8_t sequence, uint8_t *out, size_t capacity)
{
    struct body_writer body;

    if (capacity <= SMP_HEADER_BYTES)
        return 0;
    body_begin(&body, out + SMP_HEADER_BYTES, capacity - SMP_HEADER_BYTES);
    edged_put_heartbeat(&body, heartbeat);
    return finish_request(&body, SERVICE_HEARTBEAT, sequence, out);
}
