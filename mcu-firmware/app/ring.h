/* Numbered events in RAM that a reset (not a power cut) leaves alone, kept until they are acknowledged.
 *
 * Full: the oldest is dropped and counted. Numbers go on across resets, and begin at 1 after a power cut; with the boot's
 * number they name an event for good. What lies there after power came is noise: a magic number and a CRC tell. */
#ifndef EDGED_RING_H
#define EDGED_RING_H

#include <stdint.h>

#include "../proto/service.h"

#define RING_LABEL_BYTES 32

struct ring_event {
    uint32_t number, boot;
    uint32_t score, peak, mean;
    uint64_t began, at, at_ms;
    uint8_t model[8];
    uint8_t kind, label_bytes;
    char label[RING_LABEL_BYTES];
    uint32_t crc;
};

struct ring_head {
    uint32_t magic, capacity, next, first, dropped, crc;
};

struct ring {
    struct ring_head *head;
    struct ring_event *events;
    uint32_t recovered; /* events found at the start */
};

/* Take what is in that RAM, or begin anew in it. */
void ring_start(struct ring *ring, void *noinit, uint32_t bytes);

/* Add one; its number is given to it. */
void ring_add(struct ring *ring, const struct ring_event *event);

/* The oldest, or NULL. */
const struct ring_event *ring_oldest(const struct ring *ring);

/* All before `number` are acknowledged. */
void ring_acknowledge(struct ring *ring, uint32_t number);

#endif
