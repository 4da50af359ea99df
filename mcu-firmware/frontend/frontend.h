/* The micro front end: 16 kHz samples → 40 channels every 10 ms, bit for bit those of pymicro-features.
 *
 * Windowing, real FFT, filter bank, noise reduction, gain control (PCAN), logarithm, all in integers over constant tables
 * (tables.c, which frontend/make_tables.py makes). No malloc, no libm, no globals. */
#ifndef EDGED_FRONTEND_H
#define EDGED_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#define FRONTEND_RATE_HZ 16000
#define FRONTEND_CHANNELS 40
#define FRONTEND_WINDOW 480 /* samples: 30 ms */
#define FRONTEND_STEP 160   /* samples: 10 ms */

struct frontend {
    int16_t window[FRONTEND_WINDOW]; /* what is heard of the window that is being filled */
    uint32_t filled;                 /* samples in it */
    uint32_t estimate[FRONTEND_CHANNELS]; /* of the noise, by channel */
    union {
        uint32_t words[1024];
    } scratch; /* the owner of this module sizes it: work that is forgotten between two frames */
};

/* As new. */
void frontend_reset(struct frontend *frontend);

/* Take up to `count` samples. Returns how many were taken: fewer than count only when a frame was completed, whose raw
 * values then stand in features[FRONTEND_CHANNELS] and *complete is 1; call again with the rest. */
size_t frontend_push(struct frontend *frontend, const int16_t *samples, size_t count,
                     uint16_t features[FRONTEND_CHANNELS], int *complete);

#endif
