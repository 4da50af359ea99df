/* Outputs of the network over time become decisions: the twin of edged/decide.py, in integers and without floats.
 *
 * Configured by a plan's section DECI (nn/PLAN.md), checked once. Pure: time is the sample index that comes with each
 * window, which never goes back. */
#ifndef EDGED_DECIDE_H
#define EDGED_DECIDE_H

#include <stddef.h>
#include <stdint.h>

#include "../nn/plan.h"

#define DECIDE_MAX_LABELS 16      /* with a policy */
#define DECIDE_HISTORY_BYTES 1024 /* Σ mean_of over the labels, at most */
#define DECIDE_MAX_OF_M 62        /* as the gateway's MAX_OF_M */

enum decide_kind { DECIDE_DETECTION = 0, DECIDE_START = 1, DECIDE_UPDATE = 2, DECIDE_END = 3 };

struct decision {
    uint8_t kind, column;           /* which output */
    uint32_t score, peak, mean;     /* posteriors × 65536, rounded half up; 0 for those below 0 */
    uint64_t began, at;             /* sample indices */
};

struct decide_track { /* of one label; decide.c says what each is */
    uint8_t column, kind, mean_of, n, of_m, state;
    uint8_t heard, next;
    uint16_t history;
    uint8_t has_last;
    int32_t threshold, release;
    uint32_t refractory, min, max, update;
    uint64_t votes, last, began, at, said;
    uint32_t sum, score, peak;
    uint64_t total, count;
};

struct decide {
    struct decide_track track[DECIDE_MAX_LABELS];
    uint8_t tracks, flip;
    uint16_t outputs;               /* bytes of a window's outputs */
    int32_t zero;                   /* lowest value of the output's type minus its zero point */
    uint64_t scale_q32;             /* scale × 2^32 */
    uint8_t history[DECIDE_HISTORY_BYTES];
};

/* Read the plan's DECI (and the output's scale and type of its NETW). Errors: enum plan_status; *why then says what, and
 * nothing is ever decided. A plan without DECI is no error: nothing is ever decided either. `why` may be NULL. */
int decide_open(struct decide *decide, const struct plan *plan, const char **why);

/* The next window, whose last sample is `ends`: `outputs` as the network gave them, as many as its NETW says. Puts up to
 * `room` decisions into out, in the order of the labels, and gives their number; 2 × DECIDE_MAX_LABELS are always enough.
 * What has no room is lost, the state goes on. */
size_t decide_step(struct decide *decide, const uint8_t *outputs, uint64_t ends, struct decision *out, size_t room);

/* The sound broke after sample `ends`: what is on ends. As new afterwards. DECIDE_MAX_LABELS decisions at most. */
size_t decide_break(struct decide *decide, uint64_t ends, struct decision *out, size_t room);

#endif
