/* The settings' log: a few numbers in flash, appended record by record, so that a power cut at any write leaves either the
 * old ones or the new ones.
 *
 * Two areas; one is appended to until it is full, then the other is erased, begins with a record of everything, and is the
 * current one. Each record has a sequence number and a CRC; what is torn does not count. Nothing is programmed twice
 * between two erases. store.c says how many writes an area takes in its life. */
#ifndef EDGED_STORE_H
#define EDGED_STORE_H

#include <stdint.h>

#include "../hal/hal.h"

#define STORE_NO_SLOT 0xff

struct settings {
    uint32_t boot;      /* of this run, once store_boot was called */
    uint8_t confirmed;  /* slot, STORE_NO_SLOT: none */
    uint8_t trial;      /* slot that is on trial, STORE_NO_SLOT: none */
    uint8_t reserved[2];
    uint8_t sha256[32]; /* of the confirmed plan; zeros: none */
};

struct store {
    const struct hal_board *board;
    struct settings settings; /* as the last whole record has them: read them here, change them by store_write */
    enum hal_area area;       /* the current one */
    uint32_t end;             /* where the next record goes */
    uint32_t sequence;        /* of the last record that was tried; 0: there was none */
    uint32_t writes;          /* records written since the start */
};

/* Read the last whole record; none: the defaults (boot 0, no slot). Writes nothing. Always 0. */
int store_start(struct store *store, const struct hal_board *board);

/* Append these settings, which store->settings is from then on. 0, or negative when flash failed: store->settings is as it
 * was, and so is what the next start will find, unless the flash is worse than torn. May erase a whole settings area (make
 * it one erase unit where a unit is slow). */
int store_write(struct store *store, const struct settings *settings);

/* Count this boot, in flash and in store->settings.boot: once, after store_start. 0, or negative when flash failed; the
 * number goes up in RAM nonetheless. */
int store_boot(struct store *store);

#endif
