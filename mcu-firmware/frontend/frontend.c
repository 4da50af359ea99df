/* Hears, and makes a frame of each window: see frontend.h. The window is a ring of three steps, so that what is heard
 * once is copied once. */
#include "frontend.h"

#include <string.h>

#include "channels.h"
#include "spectrum.h"
#include "tables.h"

void frontend_reset(struct frontend *frontend)
{
    memset(frontend, 0, sizeof *frontend);
}

/* A pair of samples, weighted. Gives the bits of both amplitudes, or-ed. */
static inline uint32_t weighted(const int16_t *heard, const uint16_t *window, struct frontend_point *point)
{
    int32_t a = heard[0] * window[0] >> FRONTEND_WINDOW_BITS, b = heard[1] * window[1] >> FRONTEND_WINDOW_BITS;
    *point = (struct frontend_point){(int16_t)a, (int16_t)b};
    return (uint32_t)(a < 0 ? -a : a) | (uint32_t)(b < 0 ? -b : b);
}

/* One step of the window, two pairs at a time. */
static uint32_t windowed(const int16_t *heard, const uint16_t *window, struct frontend_point *points)
{
    uint32_t seen = 0;
    for (const int16_t *end = heard + FRONTEND_STEP; heard < end; heard += 4, window += 4, points += 2) {
        seen |= weighted(heard, window, points);
        seen |= weighted(heard + 2, window + 2, points + 1);
    }
    return seen;
}

/* The reference takes the largest amplitude in 16 bits, where that of -32768 is less than any. What is scaled by the others
 * pushes it out of its 16 bits: it becomes 0. */
static void without_lowest(struct frontend_point points[FRONTEND_WINDOW / 2])
{
    for (uint32_t i = 0; i < FRONTEND_WINDOW / 2; i++) {
        points[i].r = points[i].r == INT16_MIN ? 0 : points[i].r;
        points[i].i = points[i].i == INT16_MIN ? 0 : points[i].i;
    }
}

static void frame(struct frontend *frontend, uint16_t features[FRONTEND_CHANNELS])
{
    struct frontend_point *window = frontend->scratch.points[0], *points = frontend->scratch.points[1];
    uint32_t *energies = frontend->scratch.words[0], *amplitudes = frontend->scratch.words[1];
    uint32_t seen = 0, at = frontend->oldest;
    for (uint32_t done = 0; done < FRONTEND_WINDOW; done += FRONTEND_STEP) {
        seen |= windowed(frontend->heard + at, frontend_window + done, window + done / 2);
        at = at + FRONTEND_STEP < FRONTEND_WINDOW ? at + FRONTEND_STEP : 0;
    }
    int shift = (seen & 0x7fff) == 0 ? 15 : __builtin_clz(seen & 0x7fff) - 17;
    if (shift > 0 && (seen & 0x8000) != 0) {
        without_lowest(window);
    }
    frontend_transform(window, shift, points);
    frontend_energies(points, energies);
    frontend_amplitudes(energies, shift, amplitudes);
    frontend_features(amplitudes, frontend->estimate, features);
}

/* Samples to where the window ends: at most one step, which does not reach over the ring's end. */
static size_t heard(struct frontend *frontend, const int16_t *samples, size_t count)
{
    uint32_t at = frontend->oldest + frontend->filled, room = FRONTEND_STEP - frontend->filled % FRONTEND_STEP;
    if (at >= FRONTEND_WINDOW) {
        at -= FRONTEND_WINDOW;
    }
    if (count > room) {
        count = room;
    }
    memcpy(frontend->heard + at, samples, count * sizeof *samples);
    frontend->filled += (uint32_t)count;
    return count;
}

size_t frontend_push(struct frontend *frontend, const int16_t *samples, size_t count,
                     uint16_t features[FRONTEND_CHANNELS], int *complete)
{
    size_t taken = 0;
    *complete = 0;
    while (taken < count && frontend->filled < FRONTEND_WINDOW) {
        taken += heard(frontend, samples + taken, count - taken);
    }
    if (frontend->filled == FRONTEND_WINDOW) {
        frame(frontend, features);
        frontend->oldest = (frontend->oldest + FRONTEND_STEP) % FRONTEND_WINDOW;
        frontend->filled -= FRONTEND_STEP;
        *complete = 1;
    }
    return taken;
}
