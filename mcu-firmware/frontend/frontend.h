/* The micro front end: 16 kHz samples → 40 channels every 10 ms, bit for bit those of pymicro-features.
 *
 * Windowing, real FFT, filter bank, noise reduction, gain control (PCAN), logarithm, all in integers over constant tables
 * (tables.c, which frontend/make_tables.py makes). No malloc, no libm, no globals. Nothing here can fail: any samples, in
 * any pieces, give the frames that the same samples give in one. */
#ifndef EDGED_FRONTEND_H
#define EDGED_FRONTEND_H

#include <stddef.h>
#include <stdint.h>

#include "spectrum.h"

#define FRONTEND_RATE_HZ 16000
#define FRONTEND_CHANNELS 40
#define FRONTEND_WINDOW 480 /* samples: 30 ms */
#define FRONTEND_STEP 160   /* samples: 10 ms */

struct frontend {
    int16_t heard[FRONTEND_WINDOW]; /* the window that is being filled: a ring of three steps */
    uint32_t oldest;                /* where in it the window begins: 0, 160 or 320 */
    uint32_t filled;                /* samples in it */
    uint32_t estimate[FRONTEND_CHANNELS]; /* of the noise, by channel, × 1024 */
    union { /* work that is forgotten between two frames: two halves that take turns */
        struct frontend_point points[2][FRONTEND_POINTS];
        uint32_t words[2][FRONTEND_POINTS];
    } scratch;
};

/* As new. */
void frontend_reset(struct frontend *frontend);

/* Take up to `count` samples. Returns how many were taken: fewer than count only when a frame was completed, whose raw
 * values then stand in features[FRONTEND_CHANNELS] and *complete is 1, else 0; call again with the rest. features is
 * written only when a frame was completed. A raw value is the gateway's feature × 256/10. */
size_t frontend_push(struct frontend *frontend, const int16_t *samples, size_t count,
                     uint16_t features[FRONTEND_CHANNELS], int *complete);

#endif
