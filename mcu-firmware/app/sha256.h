/* SHA-256 (FIPS 180-4), piece by piece. */
#ifndef EDGED_SHA256_H
#define EDGED_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *bytes, size_t size);

/* The hash of all that was added. *hash is used up then: start it before it is used again. */
void sha256_end(struct sha256 *hash, uint8_t out[32]);

#endif
