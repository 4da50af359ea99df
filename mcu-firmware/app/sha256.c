/* SHA-256 as FIPS 180-4 describes it, sections 4.1.2 (functions), 4.2.2 (constants), 5.1.1 (padding), 5.3.3 (first hash
 * value) and 6.2.2 (the computation, whose names a to h and W are used here). */
#include "sha256.h"

#include <string.h>

/* Section 4.2.2: the first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* Section 5.3.3: those of the square roots of the first eight primes. */
static const uint32_t FIRST[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x >> by | x << (32 - by);
}

static uint32_t big_endian(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

/* The message schedule is kept as a ring of the last 16 words: 64 bytes of stack instead of 256. */
static uint32_t schedule(uint32_t w[16], unsigned t)
{
    if (t >= 16) {
        uint32_t before = w[(t - 15) % 16], last = w[(t - 2) % 16];
        uint32_t sigma0 = rotate(before, 7) ^ rotate(before, 18) ^ before >> 3;
        uint32_t sigma1 = rotate(last, 17) ^ rotate(last, 19) ^ last >> 10;
        w[t % 16] += sigma0 + w[(t - 7) % 16] + sigma1;
    }
    return w[t % 16];
}

static void compress(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[16];
    for (unsigned t = 0; t < 16; t++)
        w[t] = big_endian(block + 4 * t);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (unsigned t = 0; t < 64; t++) {
        uint32_t sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t t1 = h + sum1 + choice + K[t] + schedule(w, t);
        uint32_t sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + sum0 + majority;
    }
    state[0] += a, state[1] += b, state[2] += c, state[3] += d;
    state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

void sha256_start(struct sha256 *hash)
{
    memset(hash, 0, sizeof *hash);
    memcpy(hash->state, FIRST, sizeof FIRST);
}

void sha256_add(struct sha256 *hash, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    while (size > 0) {
        size_t filled = hash->bytes % 64, taken = 64 - filled < size ? 64 - filled : size;
        if (taken == 64) {
            compress(hash->state, from);
        } else {
            memcpy(hash->block + filled, from, taken);
            if (filled + taken == 64)
                compress(hash->state, hash->block);
        }
        hash->bytes += taken;
        from += taken;
        size -= taken;
    }
}

void sha256_end(struct sha256 *hash, uint8_t out[32])
{
    static const uint8_t padding[64] = {0x80};
    uint64_t bits = hash->bytes * 8;
    uint8_t length[8];
    for (unsigned i = 0; i < 8; i++)
        length[i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(hash, padding, 1 + (119 - hash->bytes % 64) % 64);
    sha256_add(hash, length, sizeof length);
    for (unsigned i = 0; i < 32; i++)
        out[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}
