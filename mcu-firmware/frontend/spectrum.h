/* The energies of a window: a real FFT of 512 points, bit for bit kissfft's in 16-bit fixed point. */
#ifndef EDGED_FRONTEND_SPECTRUM_H
#define EDGED_FRONTEND_SPECTRUM_H

#include <stdint.h>

#define FRONTEND_POINTS 256 /* complex ones: even samples are real parts, odd ones imaginary */

/* `pairs`: 240 pairs of windowed samples, the even one in the lower half of the word, which are shifted to the left before
 * use; becomes the energies of the bins from FRONTEND_FIRST_BIN on. `points`: work. */
void frontend_spectrum(uint32_t *pairs, int shift, uint32_t points[FRONTEND_POINTS]);

#endif
