/* Constants of the front end. Made by frontend/make_tables.py, which says where they come from: change that. */
#ifndef EDGED_FRONTEND_TABLES_H
#define EDGED_FRONTEND_TABLES_H

#include <stdint.h>

#define FRONTEND_FIRST_BIN 5
#define FRONTEND_BINS 236
#define FRONTEND_SMOOTHING_EVEN 409
#define FRONTEND_SMOOTHING_ODD 983
#define FRONTEND_REMAINING 819
#define FRONTEND_WINDOW_BITS 12
#define FRONTEND_WEIGHT_BITS 12
#define FRONTEND_NOISE_BITS 14
#define FRONTEND_ESTIMATE_BITS 10
#define FRONTEND_CORRECTION_BITS 3
#define FRONTEND_SNR_SHIFT 6

extern const uint16_t frontend_window[480];
extern const uint8_t frontend_order[64];
extern const int16_t frontend_twiddles[486];
extern const int16_t frontend_splits[248];
extern const uint8_t frontend_widths[41];
extern const uint16_t frontend_weights[236];
extern const uint8_t frontend_roots[192];
extern const int16_t frontend_gains[99];
extern const uint16_t frontend_logs[129];

#endif
