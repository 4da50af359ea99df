/* SOFTMAX, as LiteRT's reference kernel has it: a table of exponentials, their sum, its reciprocal by Newton's method, all
 * in fixed point. The formats are gemmlowp's, whose rounding this file repeats: Qn.m has n integer and m fractional bits. */
#include "nn_kernels.h"

#define SUM_INTEGER_BITS 12u /* the sum of exponentials is Q12.19 */

/* The product of two Q numbers, rounded: integer bits add up. */
static int32_t product(int32_t a, int32_t b)
{
    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return nn_high(a, b);
}

/* value * 2^bits, or the end of the range that it would leave. */
static int32_t saturating_left(int32_t value, uint32_t bits)
{
    int64_t wide = (int64_t)value * (1 << bits);
    return wide > INT32_MAX ? INT32_MAX : wide < INT32_MIN ? INT32_MIN : (int32_t)wide;
}

/* 1 / (1 + a) for a in [0, 1), both Q0.31: three steps of Newton-Raphson division, begun by 48/17 - 32/17 d. */
static int32_t reciprocal(int32_t a)
{
    const int32_t one = 1 << 29, c_48_17 = 1515870810, c_32_17 = -1010580540; /* Q2.29 */
    int32_t half_d = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2); /* of 1 + a; 1 is INT32_MAX in Q0.31 */
    int32_t x = (int32_t)((uint32_t)c_48_17 + (uint32_t)product(half_d, c_32_17));
    for (int i = 0; i < 3; i++) {
        int32_t error = (int32_t)((uint32_t)one - (uint32_t)product(half_d, x));
        x = (int32_t)((uint32_t)x + (uint32_t)saturating_left(product(x, error), 2));
    }
    return saturating_left(x, 1);
}

static uint32_t leading_zeros(uint32_t value)
{
    uint32_t count = 0;
    for (uint32_t bit = 1u << 31; bit != 0 && (value & bit) == 0; bit >>= 1)
        count++;
    return count;
}

static int8_t largest_of(const int8_t *in, uint32_t depth)
{
    int8_t largest = in[0];
    for (uint32_t i = 1; i < depth; i++)
        largest = in[i] > largest ? in[i] : largest;
    return largest;
}

static void row(const int8_t *in, int8_t *out, uint32_t depth, const uint8_t *exps, int32_t diff_min)
{
    int32_t largest = largest_of(in, depth);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < depth; i++)
        if (in[i] - largest >= diff_min)
            sum += (uint32_t)nn_divide(nn_format_i32(exps, (size_t)(largest - in[i])), SUM_INTEGER_BITS);
    sum += sum == 0; /* the largest counts about a half million, where the table is one */
    uint32_t headroom = leading_zeros(sum);
    int32_t scale = reciprocal((int32_t)((sum << headroom) - (1u << 31)));
    uint32_t right = 35 - headroom; /* 12 integer bits less the headroom, and from Q0.31 to eight bits */
    right = right > 31 ? 31 : right;
    for (uint32_t i = 0; i < depth; i++) {
        int32_t value = 0;
        if (in[i] - largest >= diff_min)
            value = nn_divide(product(scale, nn_format_i32(exps, (size_t)(largest - in[i]))), right);
        out[i] = nn_clamp(value, INT8_MIN, INT8_MIN, INT8_MAX);
    }
}

void nn_run_softmax(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_softmax record;
    nn_format_read(&record, bytes, sizeof record);
    const int8_t *in = nn_place(nn, record.in);
    int8_t *out = nn_out(nn, record.out);
    for (uint32_t i = 0; i < record.rows; i++, in += record.depth, out += record.depth)
        row(in, out, record.depth, nn->constants + record.exps, record.diff_min);
}
