/* Outputs of the network over time become decisions: the twin of edged/decide.py, in integers and without floats.
 *
 * Configured by a plan's section DECI (nn/PLAN.md), checked once. Pure: time is the sample index that comes with each
 * window. */
#ifndef EDGED_DECIDE_H
#define EDGED_DECIDE_H

#include <stddef.h>
#include <stdint.h>

#include "../nn/plan.h"

#define DECIDE_MAX_LABELS 16      /* with a policy */
#define DECIDE_HISTORY_BYTES 1024 /* Σ mean_of over the labels, at most */

enum decide_kind { DECIDE_DETECTION = 0, DECIDE_START = 1, DECIDE_UPDATE = 2, DECIDE_END = 3 };

struct decision {
    uint8_t kind, column;           /* which output */
    uint32_t score, peak, mean;     /* posteriors × 65536 */
    uint64_t began, at;             /* sample indices */
};

struct decide_track { /* of one label; decide.c says what each is */
    uint8_t column, kind, mean_of, n, of_m, state;
    uint16_t history;               /* where its last outputs begin */
    int32_t threshold, release;
    uint32_t refractory, min, max, update;
    uint64_t votes, last, began, said, ended;
    uint32_t heard, score, peak;
    uint64_t sum, count;
    int has_last;
};

struct decide {
    struct decide_track track[DECIDE_MAX_LABELS];
    uint8_t tracks, outputs;
    int32_t zero;                   /* lowest value of the output's type minus its zero point */
    uint32_t scale_q32;             /* scale × 2^32 */
    uint8_t history[DECIDE_HISTORY_BYTES];
};

/* Read the plan's DECI (and the output's scale and type of its NETW). Errors: enum plan_status; *why then says what. A plan
 * without DECI is no error: nothing is ever decided. */
int decide_open(struct decide *decide, const struct plan *plan, const char **why);

/* The next window, whose last sample is `ends`: `outputs` as the network gave them. Puts up to `room` decisions into out
 * and gives their number; 2 × DECIDE_MAX_LABELS are always enough. */
size_t decide_step(struct decide *decide, const uint8_t *outputs, uint64_t ends, struct decision *out, size_t room);

/* The sound broke after sample `ends`: what is on ends. As new afterwards. */
size_t decide_break(struct decide *decide, uint64_t ends, struct decision *out, size_t room);

#endif
