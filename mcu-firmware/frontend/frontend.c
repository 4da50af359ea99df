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

/* Pairs of windowed samples. Gives the bits of the largest, for scaling: as in the reference, which negates in 16 bits,
 * -32768 counts as nothing. */
static uint32_t windowed(const int16_t *heard, const uint16_t *window, uint32_t *pairs)
{
    uint32_t seen = 0;
    for (const int16_t *end = heard + FRONTEND_STEP; heard < end; heard += 2, window += 2) {
        int32_t a = heard[0] * window[0] >> FRONTEND_WINDOW_BITS, b = heard[1] * window[1] >> FRONTEND_WINDOW_BITS;
        seen |= (uint32_t)(a < 0 ? -a : a) | (uint32_t)(b < 0 ? -b : b);
        *pairs++ = ((uint32_t)a & 0xffff) | (uint32_t)b << 16;
    }
    return seen;
}

static void frame(struct frontend *frontend, uint16_t features[FRONTEND_CHANNELS])
{
    uint32_t *one = frontend->scratch.one, *other = frontend->scratch.other;
    uint32_t seen = 0, at = frontend->oldest;
    for (uint32_t done = 0; done < FRONTEND_WINDOW; done += FRONTEND_STEP) {
        seen |= windowed(frontend->heard + at, frontend_window + done, one + done / 2);
        at = at + FRONTEND_STEP < FRONTEND_WINDOW ? at + FRONTEND_STEP : 0;
    }
    seen &= 0x7fff;
    int shift = seen == 0 ? 15 : __builtin_clz(seen) - 17;
    frontend_spectrum(one, shift, other);
    frontend_amplitudes(one, shift, other);
    frontend_features(other, frontend->estimate, features);
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
