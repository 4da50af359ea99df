/* ADD and MUL, broadcast by strides of 0, and every function of one byte: a table of 256. */
#include "nn_kernels.h"

/* One line of a pair of inputs; sa and sb step through them. */
struct line {
    const int8_t *a, *b;
    int32_t sa, sb;
    int8_t *out;
    uint32_t count;
};

/* A value above its zero point. Wraps, as a zero point may be anything. */
static inline uint32_t above(int8_t value, int32_t zero)
{
    return (uint32_t)value - (uint32_t)zero;
}

static void add_line(const void *record, const struct line *line)
{
    const struct nn_format_add *add = record;
    for (uint32_t i = 0; i < line->count; i++) {
        uint32_t a = above(line->a[(int32_t)i * line->sa], add->a_zero) << add->left_shift;
        uint32_t b = above(line->b[(int32_t)i * line->sb], add->b_zero) << add->left_shift;
        uint32_t sum = (uint32_t)nn_rescale(a, add->a_multiplier, add->a_shift);
        sum += (uint32_t)nn_rescale(b, add->b_multiplier, add->b_shift);
        int32_t value = nn_rescale(sum, add->out_multiplier, add->out_shift);
        line->out[i] = nn_clamp(value, add->out_zero, add->act_min, add->act_max);
    }
}

static void mul_line(const void *record, const struct line *line)
{
    const struct nn_format_mul *mul = record;
    for (uint32_t i = 0; i < line->count; i++) {
        uint32_t a = above(line->a[(int32_t)i * line->sa], mul->a_zero);
        uint32_t b = above(line->b[(int32_t)i * line->sb], mul->b_zero);
        int32_t value = nn_rescale(a * b, mul->out_multiplier, mul->out_shift);
        line->out[i] = nn_clamp(value, mul->out_zero, mul->act_min, mul->act_max);
    }
}

/* Every line of the last dimension. Offsets are unsigned and wrap on the way; where they are used they lie inside. */
static void each_line(const struct nn *nn, const struct nn_format_pair *pair, const void *record,
                      void (*work)(const void *record, const struct line *line))
{
    const uint32_t *shape = pair->shape;
    const int8_t *a = nn_place(nn, pair->a), *b = nn_place(nn, pair->b);
    struct line line = {.sa = pair->stride_a[3], .sb = pair->stride_b[3], .out = nn_out(nn, pair->out), .count = shape[3]};
    for (uint32_t i = 0; i < shape[0]; i++)
        for (uint32_t j = 0; j < shape[1]; j++)
            for (uint32_t k = 0; k < shape[2]; k++, line.out += shape[3]) {
                line.a = a + (int32_t)(i * (uint32_t)pair->stride_a[0] + j * (uint32_t)pair->stride_a[1]
                                       + k * (uint32_t)pair->stride_a[2]);
                line.b = b + (int32_t)(i * (uint32_t)pair->stride_b[0] + j * (uint32_t)pair->stride_b[1]
                                       + k * (uint32_t)pair->stride_b[2]);
                work(record, &line);
            }
}

void nn_run_add(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_add add;
    nn_format_read(&add, bytes, sizeof add);
    each_line(nn, &add.pair, &add, add_line);
}

void nn_run_mul(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_mul mul;
    nn_format_read(&mul, bytes, sizeof mul);
    each_line(nn, &mul.pair, &mul, mul_line);
}

void nn_run_lut(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_lut lut;
    nn_format_read(&lut, bytes, sizeof lut);
    const uint8_t *in = (const uint8_t *)nn_place(nn, lut.in), *table = nn->constants + lut.table;
    uint8_t *out = (uint8_t *)nn_out(nn, lut.out);
    for (uint32_t i = 0; i < lut.bytes; i++)
        out[i] = table[in[i]];
}
