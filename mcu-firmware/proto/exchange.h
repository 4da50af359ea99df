/* Between smp.c and the groups: one request and its response. Not for anybody outside proto/. */
#ifndef EDGED_EXCHANGE_H
#define EDGED_EXCHANGE_H

#include <stddef.h>
#include <stdint.h>

#include "body.h"
#include "service.h"

/* SMP's own errors (Zephyr: enum mcumgr_err_t). They are answered as {"rc"} in both versions of the protocol. */
enum smp_error {
    SMP_EUNKNOWN = 1,
    SMP_EINVAL = 3,
    SMP_ENOENT = 5,
    SMP_EMSGSIZE = 7,
    SMP_ENOTSUP = 8,
    SMP_ECORRUPT = 9,
    SMP_EBUSY = 10,
    SMP_ETOONEW = 13,
};

struct exchange {
    const struct service *service;
    struct body request;
    struct body_writer response; /* a map that is begun */
    uint8_t *out;                /* where the response is made, header included */
    size_t capacity;
    const char *why; /* a constant text for people, or NULL. Groups of Zephyr's leave it so with errors of the group:
                        its clients refuse a version 2 error that has more than it needs */
};

/* Fills in the response. 0; an error of SMP's own, negated; or an error of the group, positive. */
typedef int smp_handler(struct exchange *exchange);

struct smp_command {
    uint8_t number;
    smp_handler *read, *write; /* NULL: not supported */
};

struct smp_group {
    uint16_t number;
    uint8_t commands;
    const char *name;
    const struct smp_command *command;
    int (*version_1)(int error); /* what a group's error is in version 1, which has only SMP's own */
};

extern const struct smp_group smp_group_os, smp_group_image, smp_group_enum, smp_group_edged;

#define SMP_GROUPS 4
extern const struct smp_group *const smp_groups[SMP_GROUPS]; /* in the order of their numbers */

/* The same records in a response and in a request of ours. */
void edged_put_event(struct body_writer *body, const struct service_event *event);
void edged_put_heartbeat(struct body_writer *body, const struct service_heartbeat *heartbeat);

/* The request cannot be read; says why, and gives the error. */
int exchange_malformed(struct exchange *exchange, const char *why);

#endif
