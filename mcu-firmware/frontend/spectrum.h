/* The energies of a window: a real FFT of 512 points, bit for bit kissfft's in 16-bit fixed point. */
#ifndef EDGED_FRONTEND_SPECTRUM_H
#define EDGED_FRONTEND_SPECTRUM_H

#include <stdint.h>

#define FRONTEND_POINTS 256 /* complex ones: even samples are real parts, odd ones imaginary */

struct frontend_point {
    int16_t r, i;
};

/* The transform of 240 points, which are shifted to the left before use; none then leaves 16 bits. */
void frontend_transform(const struct frontend_point window[240], int shift, struct frontend_point points[FRONTEND_POINTS]);

/* The energies of the real spectrum: the first FRONTEND_BINS are those of the bins from FRONTEND_FIRST_BIN on, the others
 * of bins that no channel hears. */
void frontend_energies(const struct frontend_point points[FRONTEND_POINTS], uint32_t energies[FRONTEND_POINTS]);

#endif
