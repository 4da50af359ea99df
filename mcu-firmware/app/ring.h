/* Numbered events in RAM that a reset (not a power cut) leaves alone, kept until they are acknowledged.
 *
 * Full: the oldest is dropped and counted. Numbers go on across resets, and begin at 1 after a power cut; with the boot's
 * number they name an event for good. What lies there after power came is noise: a magic number and CRCs tell.
 *
 * A reset may come between any two instructions. So the head is kept twice, and written one after the other: one of them
 * is always whole. An event is written before the head that counts it, and dropped from the head before it is written over. */
#ifndef EDGED_RING_H
#define EDGED_RING_H

#include <stdint.h>

#include "../proto/service.h"

#define RING_LABEL_BYTES 32 /* of a label, at most; a longer one is cut between two characters */

struct ring_event {
    uint32_t number, boot;
    uint32_t score, peak, mean;
    uint32_t crc; /* of this record, with 0 in this place */
    uint64_t began, at, at_ms;
    uint8_t model[8];
    uint8_t kind, label_bytes;
    char label[RING_LABEL_BYTES];
    uint8_t reserved[6];
};

struct ring_head {
    uint32_t magic, capacity;
    uint32_t next;  /* number of the next event */
    uint32_t first; /* number of the oldest that is kept */
    uint32_t crc;   /* of what stands before it */
    uint32_t reserved;
};

struct ring {
    struct ring_head head;         /* as it stands; what is kept are two copies of it */
    volatile struct ring_head *kept; /* two */
    struct ring_event *events;     /* event n lies at n modulo capacity */
    uint32_t recovered;            /* events found at the start */
    uint32_t dropped;              /* for want of room, or found damaged, since the start */
};

/* Take what is in that RAM, or begin anew in it. It has room for one event at least. */
void ring_start(struct ring *ring, void *noinit, uint32_t bytes);

/* Add one; its number and checksum are given to it. */
void ring_add(struct ring *ring, const struct ring_event *event);

/* The oldest, or NULL. Stays where it is until it is acknowledged, or dropped by ring_add. */
const struct ring_event *ring_oldest(const struct ring *ring);

/* All before `number` are acknowledged; a number that was never given is ignored. */
void ring_acknowledge(struct ring *ring, uint32_t number);

/* This one, which was sent, is acknowledged. If it was dropped on its way it was not lost after all, and is not counted. */
void ring_arrived(struct ring *ring, uint32_t number);

#endif
