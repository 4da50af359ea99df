/* The last samples that the microphone heard, by their numbers, for whoever records them.
 *
 * A ring: what is older than TAPE_SAMPLES is gone. Samples that were missed are a hole in it; of holes it can hold one, and
 * what lies before an older one goes when the next comes. So all that is read is what was heard, on end, and what is not
 * there shows in the numbers. */
#ifndef EDGED_TAPE_H
#define EDGED_TAPE_H

#include <stddef.h>
#include <stdint.h>

#ifndef TAPE_SAMPLES
#define TAPE_SAMPLES 2560 /* 160 ms: a gateway that reads at 1 Mbaud is never so late */
#endif

struct tape {
    int16_t samples[TAPE_SAMPLES]; /* sample n lies at n modulo TAPE_SAMPLES */
    uint64_t first, next;          /* kept: from first on, up to before next */
    uint64_t hole, hole_end;       /* but for these; equal: there is none */
};

/* Begin anew: nothing is kept, and the next sample has that number. */
void tape_start(struct tape *tape, uint64_t next);

/* Samples that were heard, the first of which has the number `at`; those between the last ones and it were missed. A
 * number that was there already begins anew. */
void tape_push(struct tape *tape, uint64_t at, const int16_t *samples, size_t count);

/* Samples on end, from number *at on, or from the first after it that is kept: *at then is that one's. Gives how many were
 * put into `to` as s16 little-endian, at most `count`; 0: there is no later one. */
size_t tape_read(const struct tape *tape, uint64_t *at, uint8_t *to, size_t count);

#endif
