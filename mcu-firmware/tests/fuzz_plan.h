/* What the two fuzz targets of plans share: memory of exactly its size, and a checksum that is right. */
#ifndef EDGED_FUZZ_PLAN_H
#define EDGED_FUZZ_PLAN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../nn/nn.h"

#define FUZZ_ARENA ((size_t)1 << 16)

/* A block of exactly so many bytes, of which the address sanitizer sees the next; malloc aligns it to 16. */
static inline uint8_t *fuzz_block(size_t size)
{
    uint8_t *made = malloc(size);
    if (made == NULL || (uintptr_t)made % NN_ALIGNMENT != 0)
        abort();
    return made;
}

/* Write what the container's check begins with: magic, version, size, checksum. */
static inline void fuzz_repair(uint8_t *file, size_t size)
{
    uint16_t version = 1;
    uint32_t whole = (uint32_t)size, crc;
    memcpy(file, "EDPL", 4);
    memcpy(file + 4, &version, 2);
    memcpy(file + 8, &whole, 4);
    crc = plan_crc32(plan_crc32(0, file, 12), file + 16, size - 16);
    memcpy(file + 12, &crc, 4);
}

#endif
