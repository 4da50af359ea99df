/* Energies by bin become features by channel: filter bank, noise reduction, gain control, logarithm. */
#ifndef EDGED_FRONTEND_CHANNELS_H
#define EDGED_FRONTEND_CHANNELS_H

#include <stdint.h>

#include "frontend.h"

/* The amplitude of each channel, out of the energies of FRONTEND_BINS bins of a window that was shifted to the left. */
void frontend_amplitudes(const uint32_t *energies, int shift, uint32_t amplitudes[FRONTEND_CHANNELS]);

/* What is above the noise, whose estimate follows the amplitudes; then the gain that goes by the noise, and the logarithm. */
void frontend_features(const uint32_t amplitudes[FRONTEND_CHANNELS], uint32_t estimate[FRONTEND_CHANNELS],
                       uint16_t features[FRONTEND_CHANNELS]);

#endif
