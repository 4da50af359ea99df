/* Scores over time become decisions, label by label; edged/decide.py says the same for the gateway.
 *
 * 1. Smoothing: the sum of the last mean_of outputs, each counted from the lowest value of its type; until there are so
 *    many the label is not over its threshold, and so it is idle.
 * 2. Voting: the label is *voted* when n of the last of_m sums are strictly greater than `threshold`.
 * 3. The state, a table for each kind. A label *falls* when it is not voted and its sum is at or below `release`.
 *
 *     detection   voted                                      falls     the sound breaks
 *     idle        → on, says DETECTION; in the refractory    -          -
 *                 time of the last one → muted, says nothing
 *     on, muted   -                                          → idle     → idle
 *
 *     sound       voted, or has not fallen                   falls     the sound breaks
 *     idle        → pending (only if voted), then as below     -          -
 *     pending     lasted min, refractory time over:          → idle     → idle
 *                 → on, says START
 *     on          lasted max: says END, → pending;           → idle,    → idle,
 *                 else update since last word: UPDATE          says END   says END
 *
 * A track keeps, of its label: `history`, where its mean_of outputs begin in the decider's; `heard` and `next`, how many of
 * them there are and which comes next; `sum` of them; `votes`, the last of_m windows, the newest in bit 0; `last`, when it
 * last began to be told (if has_last); of a sound that is not idle `began`, and `at`, `score`, `peak`, `total`, `count`: the
 * last window's index and sum, the largest sum, the sum of sums and their number; `said`, when it was last told.
 *
 * A score is a mean posterior: (sum / mean_of + zero) × scale. Sums are compared and added up; only what is told is divided,
 * once, without rounding before the end. */
#include "decide.h"

#include <string.h>

#include "../nn/format.h"

enum { IDLE, PENDING, ON, MUTED };
enum { KIND_DETECTION, KIND_SOUND };

#define NO_MAX 0xffffffffu

/* ---- the plan ---- */

#define DECI_HEADER_BYTES 4
#define POLICY_BYTES 32

static uint16_t u16_at(const uint8_t *from)
{
    return (uint16_t)(from[0] | from[1] << 8);
}

static uint32_t u32_at(const uint8_t *from)
{
    return (uint32_t)u16_at(from) | (uint32_t)u16_at(from + 2) << 16;
}

static int32_t i32_at(const uint8_t *from)
{
    uint32_t bits = u32_at(from);
    int32_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* A float of IEEE 754, by its bits, times 2^32, rounded half up; 0 for what is no scale: not above 2^-64 and below 256. */
static uint64_t scale_q32(uint32_t bits)
{
    uint32_t exponent = bits >> 23; /* the sign with it, which makes what is negative too large */
    uint64_t mantissa = (bits & 0x7fffff) | 0x800000;
    if (exponent < 127 - 64 || exponent >= 127 + 8)
        return 0;
    unsigned left = exponent - (127 - 64);          /* mantissa × 2^(left - 64 - 23) is the value */
    if (left >= 64 + 23 - 32)
        return mantissa << (left - (64 + 23 - 32));
    unsigned right = 64 + 23 - 32 - left;
    return right > 24 ? 0 : (mantissa + (1ull << (right - 1))) >> right;
}

static int read_output(struct decide *decide, const struct plan *plan, const char **why)
{
    struct plan_section section;
    struct nn_format_network network;
    *why = "there are policies, and no network";
    if (plan_find(plan, "NETW", &section) < 0 || section.size < sizeof network)
        return PLAN_SECTION;
    nn_format_read(&network, section.bytes, sizeof network);
    int32_t zero = network.output_zero, lowest = network.output_type == 0 ? -128 : 0;
    decide->scale_q32 = scale_q32(network.output_scale);
    *why = "the network's outputs have a type, zero point or scale that cannot be";
    if (network.output_type > 1 || zero < lowest || zero > lowest + 255 || decide->scale_q32 == 0)
        return PLAN_SECTION;
    *why = "the policies are for another number of outputs than the network has";
    if (network.output_bytes != decide->outputs)
        return PLAN_SECTION;
    decide->zero = lowest - zero;
    decide->flip = network.output_type == 0 ? 0x80 : 0;
    return PLAN_OK;
}

/* NULL, or what is wrong. `history` is where the label's outputs would begin. */
static const char *read_policy(struct decide_track *track, const uint8_t *from, uint32_t history)
{
    *track = (struct decide_track){
        .column = from[0], .kind = from[1], .mean_of = from[2], .n = from[3], .of_m = from[4],
        .history = (uint16_t)history,
        .threshold = i32_at(from + 8), .release = i32_at(from + 12),
        .refractory = u32_at(from + 16), .min = u32_at(from + 20), .max = u32_at(from + 24), .update = u32_at(from + 28),
    };
    if (track->kind > KIND_SOUND || from[5] || from[6] || from[7])
        return "a policy of a kind that this firmware does not know";
    if (track->mean_of < 1)
        return "a policy's mean is of no window";
    if (history + track->mean_of > DECIDE_HISTORY_BYTES)
        return "the policies' means are of more windows than this firmware keeps";
    if (track->of_m < 1 || track->of_m > DECIDE_MAX_OF_M || track->n < 1 || track->n > track->of_m)
        return "a policy's votes cannot be";
    if (track->release > track->threshold)
        return "a policy's release is above its threshold";
    return NULL;
}

static int read_policies(struct decide *decide, const struct plan_section *deci, const char **why)
{
    uint32_t policies = u16_at(deci->bytes + 2), history = 0;
    *why = "there are more policies than this firmware watches labels";
    if (policies > DECIDE_MAX_LABELS)
        return PLAN_SECTION;
    *why = "the policies' section is not as long as it says";
    if (deci->size != DECI_HEADER_BYTES + policies * POLICY_BYTES)
        return PLAN_SECTION;
    for (uint32_t i = 0; i < policies; i++) {
        struct decide_track *track = &decide->track[i];
        *why = read_policy(track, deci->bytes + DECI_HEADER_BYTES + i * POLICY_BYTES, history);
        if (*why)
            return PLAN_SECTION;
        *why = "a policy's column is outside, or not in ascending order";
        if (track->column >= decide->outputs || (i > 0 && track->column <= track[-1].column))
            return PLAN_SECTION;
        history += track->mean_of;
    }
    decide->tracks = (uint8_t)policies;
    *why = NULL;
    return PLAN_OK;
}

static int read_plan(struct decide *decide, const struct plan *plan, const char **why)
{
    struct plan_section deci;
    *why = NULL;
    if (plan_find(plan, "DECI", &deci) < 0)
        return PLAN_OK;
    *why = "the policies' section is too short";
    if (deci.size < DECI_HEADER_BYTES)
        return PLAN_SECTION;
    decide->outputs = u16_at(deci.bytes);
    int status = read_output(decide, plan, why);
    return status < 0 ? status : read_policies(decide, &deci, why);
}

int decide_open(struct decide *decide, const struct plan *plan, const char **why)
{
    const char *wrong;
    memset(decide, 0, sizeof *decide);
    int status = read_plan(decide, plan, &wrong);
    if (status < 0)
        memset(decide, 0, sizeof *decide);
    if (why)
        *why = wrong;
    return status;
}

/* ---- what is told ---- */

struct told {
    const struct decide *decide;
    struct decision *out;
    size_t room, count;
};

/* value × by / over, rounded half up, exactly: schoolbook multiplication, bit by bit, of a quotient and a remainder.
 * over < 2^62, by < 2^40, and the result must fit. */
static uint64_t scaled(uint64_t value, uint64_t by, uint64_t over)
{
    uint64_t whole = value / over, part = value % over, quotient = 0, remainder = 0;
    for (int bit = 39; bit >= 0; bit--) {
        quotient *= 2;
        remainder *= 2;
        if (by >> bit & 1) {
            quotient += whole;
            remainder += part;
        }
        while (remainder >= over) {
            remainder -= over;
            quotient++;
        }
    }
    return quotient + (remainder >= over - remainder);
}

/* The mean of so many sums, of mean_of outputs each, as a posterior × 65536. */
static uint32_t posterior(const struct told *told, const struct decide_track *track, uint64_t total, uint64_t count)
{
    uint64_t outputs = count * track->mean_of, below = outputs * (uint32_t)-told->decide->zero;
    return total <= below ? 0 : (uint32_t)scaled(total - below, told->decide->scale_q32, outputs << 16);
}

static void say(struct told *told, struct decide_track *track, enum decide_kind kind, uint64_t at)
{
    track->said = at;
    if (told->count >= told->room)
        return;
    told->out[told->count++] = (struct decision){
        .kind = (uint8_t)kind, .column = track->column,
        .score = posterior(told, track, track->score, 1),
        .peak = posterior(told, track, track->peak, 1),
        .mean = posterior(told, track, track->total, track->count),
        .began = track->began, .at = at,
    };
}

/* ---- the tables ---- */

static void hear(struct decide_track *track, uint32_t score, uint64_t at)
{
    track->score = score;
    track->at = at;
    track->peak = score > track->peak ? score : track->peak;
    track->total += score;
    track->count++;
}

static void begin(struct decide_track *track, uint64_t at)
{
    track->began = at;
    track->peak = 0;
    track->total = track->count = 0;
}

static int rested(const struct decide_track *track, uint64_t at)
{
    return !track->has_last || at - track->last >= track->refractory;
}

static void turn_on(struct decide_track *track, struct told *told, enum decide_kind kind, uint64_t at)
{
    track->state = ON;
    track->last = at;
    track->has_last = 1;
    say(told, track, kind, at);
}

static void step_detection(struct decide_track *track, struct told *told, uint64_t at, int voted, int falls)
{
    if (track->state != IDLE) {
        if (falls)
            track->state = IDLE;
    } else if (voted && !rested(track, at)) {
        track->state = MUTED;
    } else if (voted) {
        begin(track, at);
        hear(track, track->sum, at);
        turn_on(track, told, DECIDE_DETECTION, at);
    }
}

static void start_sound(struct decide_track *track, struct told *told, uint64_t at)
{
    if (rested(track, at) && at - track->began >= track->min)
        turn_on(track, told, DECIDE_START, at);
}

static void rise(struct decide_track *track, struct told *told, uint64_t at)
{
    track->state = PENDING;
    begin(track, at);
    hear(track, track->sum, at);
    start_sound(track, told, at);
}

static void step_on(struct decide_track *track, struct told *told, uint64_t at)
{
    if (track->max != NO_MAX && at - track->began >= track->max) {
        say(told, track, DECIDE_END, at);
        rise(track, told, at);
    } else if (at - track->said >= track->update) {
        say(told, track, DECIDE_UPDATE, at);
    }
}

static void step_sound(struct decide_track *track, struct told *told, uint64_t at, int voted, int falls)
{
    if (track->state == IDLE) {
        if (voted)
            rise(track, told, at);
    } else if (falls) {
        track->score = track->sum; /* told with the score that ended it, which is no part of peak and mean */
        if (track->state == ON)
            say(told, track, DECIDE_END, at);
        track->state = IDLE;
    } else {
        hear(track, track->sum, at);
        if (track->state == PENDING)
            start_sound(track, told, at);
        else
            step_on(track, told, at);
    }
}

/* ---- windows ---- */

/* Take a label's next output into its sum. Gives whether mean_of windows were heard. */
static int smooth(struct decide_track *track, uint8_t *history, uint8_t output)
{
    uint8_t *place = &history[track->history + track->next];
    track->sum = track->sum + output - *place; /* what was not heard yet is 0 */
    *place = output;
    track->next = (uint8_t)(track->next + 1 == track->mean_of ? 0 : track->next + 1);
    if (track->heard < track->mean_of)
        track->heard++;
    return track->heard == track->mean_of;
}

/* Whether n of the last of_m windows are over the threshold, this one among them. */
static int vote(struct decide_track *track, int over)
{
    track->votes = (track->votes << 1 | (over ? 1 : 0)) & ((1ull << track->of_m) - 1);
    unsigned count = 0;
    for (uint64_t left = track->votes; left; left &= left - 1)
        count++;
    return count >= track->n;
}

size_t decide_step(struct decide *decide, const uint8_t *outputs, uint64_t ends, struct decision *out, size_t room)
{
    struct told told = {.decide = decide, .out = out, .room = room};
    for (uint8_t i = 0; i < decide->tracks; i++) {
        struct decide_track *track = &decide->track[i];
        int full = smooth(track, decide->history, (uint8_t)(outputs[track->column] ^ decide->flip));
        int voted = vote(track, full && (int32_t)track->sum > track->threshold);
        int falls = !voted && (int32_t)track->sum <= track->release;
        if (track->kind == KIND_DETECTION)
            step_detection(track, &told, ends, voted, falls);
        else
            step_sound(track, &told, ends, voted, falls);
    }
    return told.count;
}

/* As new, but for what the plan said. */
static void forget(struct decide_track *track)
{
    track->state = IDLE;
    track->heard = track->next = track->has_last = 0;
    track->sum = 0;
    track->votes = 0;
}

size_t decide_break(struct decide *decide, uint64_t ends, struct decision *out, size_t room)
{
    struct told told = {.decide = decide, .out = out, .room = room};
    for (uint8_t i = 0; i < decide->tracks; i++) {
        struct decide_track *track = &decide->track[i];
        if (track->kind == KIND_SOUND && track->state == ON)
            say(&told, track, DECIDE_END, ends > track->at ? ends : track->at);
        forget(track);
    }
    memset(decide->history, 0, sizeof decide->history);
    return told.count;
}
