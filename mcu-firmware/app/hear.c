#include "hear.h"

#include <string.h>

/* The section FRNT, as nn/PLAN.md has it. */
#define FRNT_KIND_MICRO 1
#define FRNT_THRESHOLDS 8
#define FRNT_BYTES (FRNT_THRESHOLDS + 2 * 255)

#define NETWORK_INPUT_TYPE 40 /* of the header of NETW: 0 int8, 1 uint8 */

static uint16_t u16_at(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* How features become inputs: checked here once, so that hear_push has nothing to check. */
static int read_front_end(struct hear *hear, const struct plan *plan, const char **why)
{
    struct plan_section section;

    if (plan_find(plan, "FRNT", &section) != PLAN_OK) {
        *why = "it has no front end that this firmware knows";
        return PLAN_SECTION;
    }
    *why = "its front end makes no sense";
    if (section.size < FRNT_BYTES)
        return PLAN_SECTION;
    hear->every = section.bytes[1];
    hear->window_frames = u16_at(section.bytes + 2);
    hear->hop_frames = u16_at(section.bytes + 4);
    hear->thresholds = section.bytes + FRNT_THRESHOLDS;
    if (section.bytes[0] != FRNT_KIND_MICRO || u16_at(section.bytes + 6) != FRONTEND_CHANNELS)
        return PLAN_SECTION;
    if (hear->every == 0 || hear->window_frames == 0 || hear->hop_frames == 0)
        return PLAN_SECTION;
    for (size_t i = 1; i < 255; i++)
        if (u16_at(hear->thresholds + 2 * i) < u16_at(hear->thresholds + 2 * (i - 1)))
            return PLAN_SECTION;
    if ((size_t)hear->window_frames * FRONTEND_CHANNELS > HEAR_WINDOW_BYTES) {
        *why = "its window is longer than this board holds";
        return PLAN_ARENA;
    }
    return PLAN_OK;
}

static int open_network(struct hear *hear, void *arena, size_t arena_bytes, const char **why)
{
    struct plan_section network;
    int status = nn_open(&hear->nn, &hear->plan, arena, arena_bytes);

    *why = plan_why(status);
    if (status != PLAN_OK)
        return status;
    if (nn_input_bytes(&hear->nn) != (uint32_t)hear->window_frames * FRONTEND_CHANNELS) {
        *why = "its front end does not make what its network takes";
        return PLAN_SHAPE;
    }
    status = plan_find(&hear->plan, "NETW", &network);
    hear->lowest = network.bytes[NETWORK_INPUT_TYPE] == 0 ? 0x80 : 0;
    return status;
}

/* The stream begins: no row is there. */
static void begin(struct hear *hear)
{
    frontend_reset(&hear->frontend);
    hear->row = 0;
    hear->due = hear->window_frames;
    hear->skip = 0;
}

static int configure(struct hear *hear, const struct plan *plan, void *arena, size_t arena_bytes, const char **why)
{
    struct names names;
    int status = names_open(&names, plan);

    *why = plan_why(status);
    if (status != PLAN_OK)
        return status;
    hear->plan = *plan;
    if ((status = read_front_end(hear, plan, why)) != PLAN_OK)
        return status;
    if ((status = open_network(hear, arena, arena_bytes, why)) != PLAN_OK)
        return status;
    if (names.labels != nn_output_bytes(&hear->nn)) {
        *why = "its labels do not fit its outputs";
        return PLAN_SECTION;
    }
    if ((status = decide_open(&hear->decide, plan, why)) != PLAN_OK)
        return status;
    hear->names = names;
    return PLAN_OK;
}

int hear_open(struct hear *hear, const struct plan *plan, void *arena, size_t arena_bytes, const char **why)
{
    int status = configure(hear, plan, arena, arena_bytes, why);

    hear->open = status == PLAN_OK;
    if (hear->open)
        begin(hear);
    return status;
}

void hear_close(struct hear *hear)
{
    hear->open = 0;
}

/* The lowest value + the number of thresholds that are <= raw: they ascend, so it is found by halving. */
static uint8_t quantised(const struct hear *hear, uint16_t raw)
{
    uint32_t low = 0, high = 255;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (u16_at(hear->thresholds + 2 * middle) <= raw)
            low = middle + 1;
        else
            high = middle;
    }
    return (uint8_t)(hear->lowest + low);
}

static void tell(const struct hear_out *out, const struct decision *decisions, size_t count)
{
    for (size_t i = 0; i < count && out->decided != NULL; i++)
        out->decided(out->context, &decisions[i]);
}

/* One window: the oldest row first, as the gateway's windower has it. */
static void run_window(struct hear *hear, const struct hear_out *out)
{
    struct decision decisions[2 * DECIDE_MAX_LABELS];
    uint32_t behind = hear->row * FRONTEND_CHANNELS;
    uint32_t size = (uint32_t)hear->window_frames * FRONTEND_CHANNELS;
    uint8_t *input = nn_input(&hear->nn);

    memcpy(input, hear->window + behind, size - behind);
    memcpy(input + size - behind, hear->window, behind);
    nn_run(&hear->nn);
    hear->runs++;
    if (out->scored != NULL)
        out->scored(out->context, nn_output(&hear->nn), nn_output_bytes(&hear->nn), hear->heard);
    tell(out, decisions,
         decide_step(&hear->decide, nn_output(&hear->nn), hear->heard, decisions, 2 * DECIDE_MAX_LABELS));
}

static void take_frame(struct hear *hear, const uint16_t features[FRONTEND_CHANNELS], const struct hear_out *out)
{
    if (hear->skip > 0) {
        hear->skip--;
        return;
    }
    hear->skip = hear->every - 1u;
    for (uint32_t i = 0; i < FRONTEND_CHANNELS; i++)
        hear->window[hear->row * FRONTEND_CHANNELS + i] = quantised(hear, features[i]);
    hear->row = (hear->row + 1) % hear->window_frames;
    if (--hear->due == 0) {
        hear->due = hear->hop_frames;
        run_window(hear, out);
    }
}

void hear_push(struct hear *hear, const int16_t *samples, size_t count, const struct hear_out *out)
{
    while (count > 0 && hear->open) {
        uint16_t features[FRONTEND_CHANNELS];
        int complete = 0;
        size_t taken = frontend_push(&hear->frontend, samples, count, features, &complete);
        samples += taken;
        count -= taken;
        hear->heard += taken;
        if (complete)
            take_frame(hear, features, out);
    }
    hear->heard += count;
}

void hear_reset(struct hear *hear, const struct hear_out *out)
{
    struct decision decisions[2 * DECIDE_MAX_LABELS];

    if (!hear->open)
        return;
    tell(out, decisions, decide_break(&hear->decide, hear->heard, decisions, 2 * DECIDE_MAX_LABELS));
    nn_reset(&hear->nn);
    begin(hear);
}

void hear_missed(struct hear *hear, uint32_t samples, const struct hear_out *out)
{
    if (samples == 0)
        return;
    hear_reset(hear, out);
    hear->heard += samples;
}
