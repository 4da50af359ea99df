/* Every rounding, and every sum that may wrap, is that of TensorFlow Lite Micro's audio front end (filterbank.cc,
 * noise_reduction.cc, pcan_gain_control.cc and log_scale.cc in pymicro-features 2.0.2), which is what models were trained
 * with. Wrapping is spelled out in unsigned arithmetic. */
#include "channels.h"

#include "tables.h"

/* Of a number that is not 0. */
static inline uint32_t bits(uint32_t x)
{
    return 32 - (uint32_t)__builtin_clz(x);
}

/* The root of a number whose top two bits are not both zero, and what is left of it (at most twice the root).
 * One digit of base 256 from a table, the next by division: P. Zimmermann, Karatsuba Square Root (INRIA RR-3805, 1999). */
static uint32_t root32(uint32_t x, uint32_t *left)
{
    uint32_t top = x >> 16, root = frontend_roots[(x >> 24) - 64];
    if (root * root > top) {
        root--;
    }
    uint32_t dividend = ((top - root * root) << 8) | (x >> 8 & 0xff);
    uint32_t digit = dividend / (2 * root);
    uint32_t rest = ((dividend - digit * 2 * root) << 8) | (x & 0xff);
    root = (root << 8) + digit;
    if (rest < digit * digit) {
        rest += 2 * root - 1;
        root--;
    }
    *left = rest - digit * digit;
    return root;
}

/* The integer part of the root of a number whose top two bits are not both zero. */
static uint32_t root64(uint64_t x)
{
    uint32_t left, root = root32((uint32_t)(x >> 32), &left);
    /* left × 65536 + the next 16 bits may have 33 bits, and is divided by twice the root: both are halved first */
    uint32_t next = (uint32_t)x >> 16;
    uint32_t dividend = (left << 15) | next >> 1;
    uint32_t digit = dividend / root;
    uint64_t rest = (uint64_t)(((dividend - digit * root) << 1) | (next & 1)) << 16 | (x & 0xffff);
    return (root << 16) + digit - (rest < (uint64_t)digit * digit);
}

/* A root with `places` binary places behind its point, one at least, to the nearest integer. */
static inline uint32_t rounded(uint32_t root, uint32_t places)
{
    return (root >> places) + (root >> (places - 1) & 1);
}

/* The root, to the nearest integer; of 32 bits at most 65535, as the reference keeps that in 16. */
static uint32_t rounded_root(uint64_t x)
{
    uint32_t high = (uint32_t)(x >> 32), low = (uint32_t)x;
    if (high != 0) {
        uint32_t places = (uint32_t)__builtin_clz(high) / 2; /* no sum of energies comes near 64 bits */
        return rounded(root64(x << (2 * places)), places);
    }
    if (low == 0) {
        return 0;
    }
    uint32_t left, places = (uint32_t)__builtin_clz(low) / 2, root = root32(low << (2 * places), &left);
    if (places > 0) {
        return rounded(root, places);
    }
    return root + (left > root && root < 0xffff);
}

void frontend_amplitudes(const uint32_t *energies, int shift, uint32_t amplitudes[FRONTEND_CHANNELS])
{
    const uint16_t *weights = frontend_weights;
    uint64_t own = 0; /* what the channel before this one left to it */
    for (uint32_t channel = 0; channel <= FRONTEND_CHANNELS; channel++) {
        uint64_t next = 0;
        for (const uint32_t *end = energies + frontend_widths[channel]; energies < end; energies++, weights++) {
            own += (uint64_t)*energies * *weights;
            next += (uint64_t)*energies * ((1U << FRONTEND_WEIGHT_BITS) - *weights);
        }
        if (channel > 0) {
            amplitudes[channel - 1] = rounded_root(own) >> shift;
        }
        own = next;
    }
}

/* Follow the noise, and take it away. */
static inline uint32_t denoised(uint32_t signal, uint32_t smoothing, uint32_t *estimate)
{
    const uint32_t one = 1U << FRONTEND_NOISE_BITS;
    uint32_t scaled = signal << FRONTEND_ESTIMATE_BITS;
    uint32_t noise = (uint32_t)(((uint64_t)scaled * smoothing + (uint64_t)*estimate * (one - smoothing)) >> FRONTEND_NOISE_BITS);
    *estimate = noise;
    uint32_t above = noise > scaled ? 0 : (scaled - noise) >> FRONTEND_ESTIMATE_BITS;
    uint32_t least = (uint32_t)((uint64_t)signal * FRONTEND_REMAINING >> FRONTEND_NOISE_BITS);
    return above > least ? above : least;
}

/* PCAN's gain: a parabola over the estimate's ten bits below its first. */
static inline uint32_t gain(uint32_t noise)
{
    if (noise <= 1) {
        return (uint32_t)frontend_gains[3 * noise];
    }
    uint32_t length = bits(noise);
    const int16_t *curve = frontend_gains + 3 * length;
    int32_t x = (int32_t)((length < 11 ? noise << (11 - length) : noise >> (length - 11)) & 0x3ff);
    int32_t y = ((curve[2] * x >> 5) + curve[1] * 32) * x;
    return (uint32_t)(((y + (1 << 14)) >> 15) + curve[0]);
}

static inline uint32_t shrunk(uint32_t ratio)
{
    return ratio < 2U << 12 ? ratio * ratio >> 20 : (ratio >> 6) - 64;
}

/* The natural logarithm × 64, of a number above 1: log2 from a table of segments. */
static inline uint32_t logarithm(uint32_t x)
{
    uint32_t whole = bits(x) - 1;
    int32_t part = (int32_t)((x << (31 - whole) & 0x7fffffff) >> 15);
    const uint16_t *segment = frontend_logs + (part >> 9);
    int32_t bent = ((segment[1] - segment[0]) * (part & 0x1ff)) >> 16;
    uint32_t log2 = (whole << 16) + (uint32_t)(part + segment[0] + bent);
    uint32_t loge = (uint32_t)(((uint64_t)log2 * 45426 + 0x8000) >> 16); /* 45426 / 65536: ln 2 */
    return ((loge << 6) + 0x8000) >> 16;
}

void frontend_features(const uint32_t amplitudes[FRONTEND_CHANNELS], uint32_t estimate[FRONTEND_CHANNELS],
                       uint16_t features[FRONTEND_CHANNELS])
{
    for (uint32_t channel = 0; channel < FRONTEND_CHANNELS; channel++) {
        uint32_t smoothing = channel % 2 == 0 ? FRONTEND_SMOOTHING_EVEN : FRONTEND_SMOOTHING_ODD;
        uint32_t signal = denoised(amplitudes[channel], smoothing, estimate + channel);
        uint32_t ratio = (uint32_t)((uint64_t)signal * gain(estimate[channel]) >> FRONTEND_SNR_SHIFT);
        uint32_t value = shrunk(ratio) << FRONTEND_CORRECTION_BITS;
        features[channel] = value > 1 ? (uint16_t)logarithm(value) : 0;
    }
}
