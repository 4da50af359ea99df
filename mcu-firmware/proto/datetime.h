/* Milliseconds since 1970 (UTC, no leap seconds) as "yyyy-MM-dd'T'HH:mm:ss.SSSSSS", which Zephyr's OS group speaks. */
#ifndef EDGED_DATETIME_H
#define EDGED_DATETIME_H

#include <stddef.h>
#include <stdint.h>

#define DATETIME_BYTES 26

/* Write DATETIME_BYTES characters, no zero behind. From year 10000 on: the last moment of 9999. */
void datetime_write(uint64_t ms, char out[DATETIME_BYTES]);

/* Read it; the fraction may be absent, or have one to six digits (what is below a millisecond is cut off), and a Z may follow.
 * 0, or -1: it is none, or before 1970; *ms is then as it was. */
int datetime_read(const uint8_t *text, size_t size, uint64_t *ms);

#endif
