/* The operators: one row for each kind of record, and what the kernels share.
 *
 * A kernel is a function over a record that nn_check.c has passed. The plain C kernel of each kind always exists. A twin
 * for a processor with SIMD is added beside it so: nn_conv_dsp.c defines nn_run_conv_dsp, with the same contract; the
 * board's board.mk says -DNN_RUN_CONV=nn_run_conv_dsp, and the table in nn_kernels.c takes it. A twin reads the same
 * weights (four channels side by side are one word) and must give the same bytes: tests/test_firmware_nn_operators.py
 * runs any library it is given against LiteRT's reference kernels, and tests/nn_runner.c built twice, with and without the
 * twin, must print the same. */
#ifndef EDGED_NN_KERNELS_H
#define EDGED_NN_KERNELS_H

#include <stdint.h>

#include "format.h"
#include "nn.h"

/* What a record may touch. */
struct nn_bounds {
    const uint8_t *constants;
    uint32_t constants_bytes;
    uint32_t arena_bytes;
};

struct nn_kernel {
    uint16_t bytes; /* of the record */
    /* Whether the record can be run within the bounds: enum plan_status. *work is what a run of it costs, about. */
    int (*check)(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
    void (*run)(const struct nn *nn, const uint8_t *record);
};

extern const struct nn_kernel nn_kernels[NN_KINDS]; /* by enum nn_kind; 0 is none */

int nn_check_conv(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_depthwise(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_pool(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_add(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_mul(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_softmax(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_lut(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);
int nn_check_copy(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work);

void nn_run_conv(const struct nn *nn, const uint8_t *record);
void nn_run_depthwise(const struct nn *nn, const uint8_t *record);
void nn_run_pool(const struct nn *nn, const uint8_t *record);
void nn_run_add(const struct nn *nn, const uint8_t *record);
void nn_run_mul(const struct nn *nn, const uint8_t *record);
void nn_run_softmax(const struct nn *nn, const uint8_t *record);
void nn_run_lut(const struct nn *nn, const uint8_t *record);
void nn_run_copy(const struct nn *nn, const uint8_t *record);

/* Where a place is, for reading. */
static inline const int8_t *nn_place(const struct nn *nn, uint32_t place)
{
    const uint8_t *base = place & NN_IN_CONSTANTS ? nn->constants : nn->arena;
    return (const int8_t *)(base + (place & ~NN_IN_CONSTANTS));
}

/* Where an output is. */
static inline int8_t *nn_out(const struct nn *nn, uint32_t place)
{
    return (int8_t *)(nn->arena + place);
}

/* The upper half of 2ab, rounded to the nearest, halves upwards: gemmlowp's SaturatingRoundingDoublingHighMul, which
 * never saturates here because no b is negative (nn_check.c sees to that). Halves of negative products go upwards there
 * too: it adds 1 - 2^30 and divides towards zero. */
static inline int32_t nn_high(int32_t a, int32_t b)
{
    return (int32_t)(((int64_t)a * b + (1 << 30)) >> 31);
}

/* value / 2^right, rounded to the nearest, halves away from zero: gemmlowp's RoundingDivideByPOT. right: 0 to 31. */
static inline int32_t nn_divide(int32_t value, uint32_t right)
{
    if (right == 0)
        return value;
    int32_t half = (int32_t)((uint32_t)value - (value < 0)) >> (right - 1); /* from nn_high never INT32_MIN */
    return (half >> 1) + (half & 1);
}

/* TensorFlow Lite's MultiplyByQuantizedMultiplier, in the variant that rounds twice: LiteRT's reference kernels, as
 * tests/test_firmware_nn_operators.py compares them. Wraps where it shifts out bits. */
static inline int32_t nn_rescale(uint32_t value, int32_t multiplier, int32_t shift)
{
    if (shift > 0)
        return nn_high((int32_t)(value << shift), multiplier);
    return nn_divide(nn_high((int32_t)value, multiplier), (uint32_t)-shift);
}

/* The same in the variant that rounds once: FULLY_CONNECTED of ai-edge-litert 2.1.6. shift: at most 30. */
static inline int32_t nn_rescale_once(uint32_t value, int32_t multiplier, int32_t shift)
{
    uint32_t right = (uint32_t)(31 - shift);
    return (int32_t)(((int64_t)(int32_t)value * multiplier + ((int64_t)1 << (right - 1))) >> right);
}

/* value + zero, within what the activation allows. Wraps where the sum has no room. */
static inline int8_t nn_clamp(int32_t value, int32_t zero, int32_t low, int32_t high)
{
    value = (int32_t)((uint32_t)value + (uint32_t)zero);
    value = value < low ? low : value;
    return (int8_t)(value > high ? high : value);
}

#endif
