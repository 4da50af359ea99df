/* The container of a plan: checked once, then its sections are found by their tags. PLAN.md describes it.
 *
 * Nothing is copied: the sections stay where the file is, which must be 8-byte aligned and must outlive the plan. */
#ifndef EDGED_PLAN_H
#define EDGED_PLAN_H

#include <stddef.h>
#include <stdint.h>

enum plan_status {
    PLAN_OK = 0,
    PLAN_TRUNCATED = -1,  /* shorter than it says, or than any plan */
    PLAN_MAGIC = -2,      /* no plan */
    PLAN_VERSION = -3,    /* of another version */
    PLAN_CHECKSUM = -4,   /* not what was written */
    PLAN_SECTION = -5,    /* a section is missing, twice there, lies outside, or says what cannot be */
    PLAN_OFFSET = -6,     /* an offset in a section lies outside */
    PLAN_OPERATOR = -7,   /* a kind of record that this engine does not know */
    PLAN_SHAPE = -8,      /* a record whose shapes do not fit one another */
    PLAN_ARENA = -9,      /* it needs a larger arena than it was given */
    PLAN_ALIGNMENT = -10, /* the file or the arena lies badly */
    PLAN_WORK = -11,      /* more work than a watchdog gives time for: nn.h */
};

struct plan {
    const uint8_t *bytes;
    uint32_t size;
};

struct plan_section {
    const uint8_t *bytes;
    uint32_t size;
};

/* Check the container: its size, version, checksum, and that every section lies inside. `size` may be larger than the
 * file (a whole slot): the file says how long it is. On failure *plan is zeroed. */
int plan_open(struct plan *plan, const void *bytes, size_t size);

/* Find a section by its four letters; PLAN_SECTION where there is none (*section is zeroed then). */
int plan_find(const struct plan *plan, const char tag[4], struct plan_section *section);

/* A status in words, for people: "the checksum is wrong". Never NULL. */
const char *plan_why(int status);

/* CRC-32 as zlib has it; begin with crc = 0. */
uint32_t plan_crc32(uint32_t crc, const void *bytes, size_t size);

#endif
