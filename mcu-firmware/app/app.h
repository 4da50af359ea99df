/* The application: one poll loop over the link, the microphone and time.
 *
 * A board's main gives it the memory, all zeros, and never gets the control back:
 *
 *     static struct app app;
 *     int main(void) { app_run(&app); }
 *
 * It calls hal_start itself. Nothing is allocated, and there are no globals. */
#ifndef EDGED_APP_H
#define EDGED_APP_H

#include <stddef.h>
#include <stdint.h>

#include "../hal/hal.h"
#include "../proto/framing.h"
#include "../proto/service.h"
#include "../proto/smp.h"
#include "model.h"
#include "ring.h"
#include "tape.h"

#define APP_VERSION "0.1.0"
#define APP_LEASE_MS_MAX 60000u    /* a gateway that asks for more is given so much */
#define APP_RESEND_US 1000000u     /* after which an event that nobody acknowledged is sent again */
#define APP_HEARTBEAT_US 5000000u
#define APP_INJECT_US 10000000u    /* so long without sound, and injection is over: the microphone is on again */
#define APP_TAPE_US 5000000u      /* so long after it was read, what is heard is still kept */
#define APP_RESET_US 500000u       /* a reset waits no longer for the link to be idle */

struct app {
    const struct hal_board *board;
    uint64_t now_us; /* as this turn of the loop began */
    enum hal_reset_reason reason;
    int microphone;
    uint64_t (*micros)(void);     /* the board's, so that server.c needs none */
    uint32_t (*stack_free)(void);
    struct service service;
    struct hear_out out;
    struct model model;
    struct ring ring;

    /* The link, in. */
    struct framing_reader reader;
    uint8_t received[SMP_BUFFER_BYTES];
    uint8_t bytes[256]; /* as they came; those from bytes_at on are still to be taken */
    size_t bytes_at, bytes_have;
    uint32_t link_lost;

    /* The link, out: one message at a time, line by line. */
    uint8_t message[SMP_BUFFER_BYTES];
    size_t message_bytes; /* 0: nothing is on its way */
    size_t line_number;   /* of the next line */
    uint8_t line[FRAMING_LINE_BYTES];
    size_t line_at, line_bytes;

    /* The gateway that listens. */
    uint64_t lease_until_us; /* 0: nobody does */
    uint64_t heartbeat_us;   /* when the next is due */
    uint8_t sequence;        /* of our last request */
    uint8_t waiting_sequence;
    int waiting;             /* an event was sent and is not answered */
    uint32_t waiting_number;
    uint64_t resend_us;

    /* The microphone, and sound that is injected in its place. */
    uint64_t missed;  /* samples that were lost */
    uint64_t ignored; /* samples that came during an injection */
    int injecting;
    uint64_t injected; /* samples since injection began: the sample clock meanwhile */
    uint64_t aside;    /* the sample clock of the microphone, which goes on */
    uint64_t inject_until_us;
    struct service_injected *injection; /* the message that is being heard, or NULL */
    uint32_t injection_room;

    /* What the microphone hears, for whoever records it. */
    struct tape tape;
    uint64_t tape_until_us; /* 0: nobody does, and nothing is kept */

    /* Time. */
    uint64_t idle_us; /* slept since the boot */
    uint32_t sleeps;
    uint64_t share_idle_us, share_since_us; /* as the last share of idle time was reckoned */
    uint32_t idle_permille;
    uint64_t date_ms;  /* what the date was at micros 0; 0: nobody said */
    uint64_t reset_us; /* when it is to be at the latest; 0: no reset was asked for */
};

/* Run for ever. *app is all zeros. */
_Noreturn void app_run(struct app *app);

#endif
