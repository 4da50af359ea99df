/* The settings' log: a few numbers in flash, appended record by record, so that a power cut at any write leaves either the
 * old ones or the new ones.
 *
 * Two areas; one is appended to until it is full, then the other is erased, begins with a record of everything, and is the
 * current one. Each record has a sequence number and a CRC; what is torn does not count. */
#ifndef EDGED_STORE_H
#define EDGED_STORE_H

#include <stdint.h>

#include "../hal/hal.h"

struct settings {
    uint32_t boot;     /* of this run, once store_boot was called */
    uint8_t confirmed; /* slot, 0xff: none */
    uint8_t trial;     /* slot that is on trial, 0xff: none */
    uint8_t reserved[2];
    uint8_t sha256[2][32]; /* of the plan that was found whole in each slot; zeros: none */
    uint32_t length[2];
};

struct store {
    const struct hal_board *board;
    struct settings settings;
    enum hal_area area; /* the current one */
    uint32_t end;       /* where the next record goes */
    uint32_t sequence;
    uint32_t writes; /* records written since the start */
};

/* Read the last whole record; none: the defaults. */
int store_start(struct store *store, const struct hal_board *board);

/* Append the settings as they stand in store->settings. 0, or negative when flash failed (they stay as they were). */
int store_write(struct store *store);

#endif
