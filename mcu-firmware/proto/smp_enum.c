/* Group 10: which groups there are. Zephyr's doc/services/device_mgmt/smp_groups/smp_group_10.rst. */
#include "exchange.h"

#define GROUP 10

enum { COUNT = 0, LIST = 1, SINGLE = 2, DETAILS = 3 };
enum { INDEX_TOO_LARGE = 4 };

static int version_1(int error)
{
    (void)error; /* both are values that the sender should not have sent */
    return SMP_EINVAL;
}

static int count(struct exchange *exchange)
{
    body_put_uint(&exchange->response, "count", SMP_GROUPS);
    return 0;
}

static int list(struct exchange *exchange)
{
    body_put_list(&exchange->response, "groups");
    for (size_t i = 0; i < SMP_GROUPS; i++)
        body_put_number(&exchange->response, smp_groups[i]->number);
    body_put_list_end(&exchange->response);
    return 0;
}

static int single(struct exchange *exchange)
{
    uint32_t index = 0;

    if (body_uint32(&exchange->request, "index", &index) == BODY_WRONG)
        return exchange_malformed(exchange, "index: a number");
    if (index >= SMP_GROUPS)
        return INDEX_TOO_LARGE;
    if (index == SMP_GROUPS - 1)
        body_put_bool(&exchange->response, "end", true);
    body_put_uint(&exchange->response, "group", smp_groups[index]->number);
    return 0;
}

static void put_details(struct body_writer *body, const struct smp_group *group)
{
    body_put_map(body, NULL);
    body_put_text(body, "name", group->name);
    body_put_uint(body, "group", group->number);
    body_put_uint(body, "handlers", group->commands);
    body_put_map_end(body);
}

/* Which of the groups are asked for, a bit each: those in the list, or all where there is none. */
static int asked_for(struct exchange *exchange, unsigned *groups)
{
    enum body_found found = BODY_FOUND;

    *groups = 0;
    for (size_t at = 0; found == BODY_FOUND; at++) {
        uint32_t number = 0;

        found = body_listed(&exchange->request, "groups", at, &number);
        if (at == 0 && found == BODY_ABSENT && !body_has(&exchange->request, "groups"))
            *groups = (1u << SMP_GROUPS) - 1;
        for (size_t i = 0; found == BODY_FOUND && i < SMP_GROUPS; i++)
            *groups |= number == smp_groups[i]->number ? 1u << i : 0;
    }
    return found == BODY_WRONG ? exchange_malformed(exchange, "groups: a list of numbers") : 0;
}

static int details(struct exchange *exchange)
{
    unsigned groups = 0;
    int error = asked_for(exchange, &groups);

    body_put_list(&exchange->response, "groups");
    for (size_t i = 0; i < SMP_GROUPS; i++)
        if (groups >> i & 1u)
            put_details(&exchange->response, smp_groups[i]);
    body_put_list_end(&exchange->response);
    return error;
}

static const struct smp_command commands[] = {
    {COUNT, count, NULL},
    {LIST, list, NULL},
    {SINGLE, single, NULL},
    {DETAILS, details, NULL},
};

const struct smp_group smp_group_enum = {
    .number = GROUP,
    .commands = sizeof commands / sizeof commands[0],
    .name = "enum mgmt",
    .command = commands,
    .version_1 = version_1,
};
