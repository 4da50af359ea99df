/* CONV_2D, FULLY_CONNECTED, and DEPTHWISE_CONV_2D of one input channel: four output channels at a time.
 *
 * The taps of one output pixel are runs: pieces of the input that lie in one line, against weights that simply follow one
 * another. Away from the border a run is a whole row of the kernel, or all its rows where they touch. At the border a
 * row falls into three: padding left, input, padding right; the padding is read from pad_row, which holds the input's
 * zero point, so that the folded bias is right for every pixel. */
#include "nn_kernels.h"

struct quad {
    uint32_t a, b, c, d;
};

/* One convolution: its record, and what follows from it. */
struct conv {
    const struct nn_format_conv *record;
    const int8_t *in, *weights, *pad_row;
    const uint8_t *bias, *multiplier;
    const int8_t *shift;
    uint32_t row, step;        /* bytes of an input row; from one kernel row to the next */
    uint32_t runs, run;        /* of a pixel away from the border: how many, of how many taps each */
};

/* Add x[i] * w[i] for each of the four channels, `taps` times. */
static inline struct quad taps(struct quad sum, const int8_t *x, const int8_t *w, uint32_t count)
{
    for (; count >= 4; count -= 4, x += 4, w += 16) {
        int32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
        sum.a += (uint32_t)(x0 * w[0]);
        sum.b += (uint32_t)(x0 * w[1]);
        sum.c += (uint32_t)(x0 * w[2]);
        sum.d += (uint32_t)(x0 * w[3]);
        sum.a += (uint32_t)(x1 * w[4]);
        sum.b += (uint32_t)(x1 * w[5]);
        sum.c += (uint32_t)(x1 * w[6]);
        sum.d += (uint32_t)(x1 * w[7]);
        sum.a += (uint32_t)(x2 * w[8]);
        sum.b += (uint32_t)(x2 * w[9]);
        sum.c += (uint32_t)(x2 * w[10]);
        sum.d += (uint32_t)(x2 * w[11]);
        sum.a += (uint32_t)(x3 * w[12]);
        sum.b += (uint32_t)(x3 * w[13]);
        sum.c += (uint32_t)(x3 * w[14]);
        sum.d += (uint32_t)(x3 * w[15]);
    }
    for (; count > 0; count--, x++, w += 4) {
        int32_t x0 = x[0];
        sum.a += (uint32_t)(x0 * w[0]);
        sum.b += (uint32_t)(x0 * w[1]);
        sum.c += (uint32_t)(x0 * w[2]);
        sum.d += (uint32_t)(x0 * w[3]);
    }
    return sum;
}

static inline struct quad bias_of(const struct conv *conv, uint32_t channel)
{
    const uint8_t *bias = conv->bias + 4 * channel;
    return (struct quad){
        (uint32_t)nn_format_i32(bias, 0),
        (uint32_t)nn_format_i32(bias, 1),
        (uint32_t)nn_format_i32(bias, 2),
        (uint32_t)nn_format_i32(bias, 3),
    };
}

static inline int8_t finished(const struct conv *conv, uint32_t channel, uint32_t sum)
{
    const struct nn_format_conv *record = conv->record;
    int32_t multiplier = nn_format_i32(conv->multiplier, channel), shift = conv->shift[channel];
    int32_t value = record->head.rounding == 0 ? nn_rescale(sum, multiplier, shift) : nn_rescale_once(sum, multiplier, shift);
    return nn_clamp(value, record->out_zero, record->act_min, record->act_max);
}

/* Write the channels that there are. */
static __attribute__((noinline)) void put(const struct conv *conv, int8_t *out, uint32_t channel, struct quad sum)
{
    const uint32_t sums[NN_GROUP] = {sum.a, sum.b, sum.c, sum.d};
    uint32_t there = conv->record->out_c - channel;
    there = there < NN_GROUP ? there : NN_GROUP;
    for (uint32_t i = 0; i < there; i++)
        out[channel + i] = finished(conv, channel + i, sums[i]);
}

/* One pixel, of which every tap lies in the input; `in` is the first. */
static void pixel_inside(const struct conv *conv, const int8_t *in, int8_t *out)
{
    const int8_t *w = conv->weights;
    for (uint32_t channel = 0; channel < conv->record->out_c; channel += NN_GROUP) {
        struct quad sum = bias_of(conv, channel);
        for (uint32_t run = 0; run < conv->runs; run++, w += NN_GROUP * conv->run)
            sum = taps(sum, in + run * conv->step, w, conv->run);
        put(conv, out, channel, sum);
    }
}

/* Where the taps of one row of a border pixel lie: so many left of the input, in it and right of it. */
struct pieces {
    uint32_t left, middle, right; /* in channels, not pixels */
    uint32_t first;               /* of the middle, from the beginning of the input's row */
};

static struct pieces pieces_of(const struct nn_format_conv *record, int32_t x)
{
    int32_t taps_wide = record->k_w, end = x + taps_wide - record->in_w;
    int32_t left = x >= 0 ? 0 : -x, right = end <= 0 ? 0 : end;
    left = left < taps_wide ? left : taps_wide;
    right = right < taps_wide ? right : taps_wide;
    int32_t middle = taps_wide - left - right;
    return (struct pieces){
        .left = (uint32_t)left * record->in_c,
        .middle = (uint32_t)middle * record->in_c,
        .right = (uint32_t)right * record->in_c,
        .first = middle > 0 ? (uint32_t)(x + left) * record->in_c : 0,
    };
}

/* Out of line, for the code's size: borders are few. */
static __attribute__((noinline)) struct quad taps_apart(struct quad sum, const int8_t *x, const int8_t *w, uint32_t count)
{
    return taps(sum, x, w, count);
}

/* One pixel whose kernel's corner lies at (y, x) of the input, or outside it. */
static void pixel_at_border(const struct conv *conv, int32_t y, int32_t x, int8_t *out)
{
    const struct nn_format_conv *record = conv->record;
    struct pieces pieces = pieces_of(record, x);
    uint32_t row = (uint32_t)record->k_w * record->in_c;
    const int8_t *w = conv->weights;
    for (uint32_t channel = 0; channel < record->out_c; channel += NN_GROUP) {
        struct quad sum = bias_of(conv, channel);
        for (int32_t k = 0, at = y; k < record->k_h; k++, at += record->dilation_h, w += NN_GROUP * row) {
            if (at < 0 || at >= record->in_h) {
                sum = taps_apart(sum, conv->pad_row, w, row);
                continue;
            }
            const int8_t *in = conv->in + (uint32_t)at * conv->row + pieces.first;
            if (pieces.left > 0)
                sum = taps_apart(sum, conv->pad_row, w, pieces.left);
            sum = taps_apart(sum, in, w + NN_GROUP * pieces.left, pieces.middle);
            if (pieces.right > 0)
                sum = taps_apart(sum, conv->pad_row, w + NN_GROUP * (pieces.left + pieces.middle), pieces.right);
        }
        put(conv, out, channel, sum);
    }
}

/* One pixel of a kernel whose taps lie apart within a row: tap by tap. */
static void pixel_dilated(const struct conv *conv, int32_t y, int32_t x, int8_t *out)
{
    const struct nn_format_conv *record = conv->record;
    const int8_t *w = conv->weights;
    for (uint32_t channel = 0; channel < record->out_c; channel += NN_GROUP) {
        struct quad sum = bias_of(conv, channel);
        for (int32_t k = 0, down = y; k < record->k_h; k++, down += record->dilation_h)
            for (int32_t l = 0, right = x; l < record->k_w; l++, right += record->dilation_w, w += NN_GROUP * record->in_c) {
                int within = down >= 0 && down < record->in_h && right >= 0 && right < record->in_w;
                const int8_t *in = conv->pad_row;
                if (within)
                    in = conv->in + (uint32_t)down * conv->row + (uint32_t)right * record->in_c;
                sum = taps_apart(sum, in, w, record->in_c);
            }
        put(conv, out, channel, sum);
    }
}

static void pixel(const struct conv *conv, int32_t y, int32_t x, int8_t *out)
{
    const struct nn_format_conv *record = conv->record;
    if (record->dilation_w > 1 && record->k_w > 1)
        pixel_dilated(conv, y, x, out);
    else if (y >= 0 && x >= 0 && y + (record->k_h - 1) * record->dilation_h < record->in_h && x + record->k_w <= record->in_w)
        pixel_inside(conv, conv->in + (uint32_t)y * conv->row + (uint32_t)x * record->in_c, out);
    else
        pixel_at_border(conv, y, x, out);
}

static struct conv conv_of(const struct nn *nn, const struct nn_format_conv *record)
{
    struct conv conv = {
        .record = record,
        .in = nn_place(nn, record->in),
        .weights = (const int8_t *)nn->constants + record->weights,
        .pad_row = (const int8_t *)nn->constants + record->pad_row,
        .bias = nn->constants + record->bias,
        .multiplier = nn->constants + record->multiplier,
        .shift = (const int8_t *)nn->constants + record->shift,
        .row = (uint32_t)record->in_w * record->in_c,
        .runs = record->k_h,
        .run = (uint32_t)record->k_w * record->in_c,
    };
    conv.step = conv.row * record->dilation_h;
    if (conv.step == conv.run || conv.runs == 1) { /* the rows of the kernel follow one another: they are one run */
        conv.run *= conv.runs;
        conv.runs = 1;
    }
    return conv;
}

void nn_run_conv(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_conv record;
    nn_format_read(&record, bytes, sizeof record);
    struct conv conv = conv_of(nn, &record);
    int8_t *out = nn_out(nn, record.out);
    int32_t y = -record.pad_top;
    for (uint32_t i = 0; i < record.out_h; i++, y += record.stride_h) {
        int32_t x = -record.pad_left;
        for (uint32_t j = 0; j < record.out_w; j++, x += record.stride_w, out += record.out_c)
            pixel(&conv, y, x, out);
    }
}
