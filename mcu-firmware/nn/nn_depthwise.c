/* DEPTHWISE_CONV_2D: four channels at a time, where each output channel reads the input channel of its own number.
 *
 * Away from the border the taps are found by two steps alone. At the border, and where there are no four (a channel
 * multiplier, the last channels), every tap is asked where it lies; the padding is read from pad_row. */
#include "nn_kernels.h"

struct deep {
    const struct nn_format_conv *record;
    const int8_t *in, *weights, *pad_row;
    const uint8_t *bias, *multiplier;
    const int8_t *shift;
    uint32_t channel_multiplier;
    uint32_t row;               /* bytes of an input row */
    uint32_t rows, columns;     /* of a kernel that lies inside: as few rows as possible */
    uint32_t down, right;       /* bytes from one row of taps to the next, from one column to the next */
};

/* The sums of four channels. */
struct quad {
    uint32_t a, b, c, d;
};

static inline struct quad bias_of(const struct deep *deep, uint32_t channel)
{
    const uint8_t *bias = deep->bias + 4 * channel;
    return (struct quad){
        (uint32_t)nn_format_i32(bias, 0),
        (uint32_t)nn_format_i32(bias, 1),
        (uint32_t)nn_format_i32(bias, 2),
        (uint32_t)nn_format_i32(bias, 3),
    };
}

static inline struct quad tap(struct quad sum, const int8_t *x, const int8_t *w)
{
    sum.a += (uint32_t)(x[0] * w[0]);
    sum.b += (uint32_t)(x[1] * w[1]);
    sum.c += (uint32_t)(x[2] * w[2]);
    sum.d += (uint32_t)(x[3] * w[3]);
    return sum;
}

static inline int8_t finished(const struct deep *deep, uint32_t channel, uint32_t sum)
{
    const struct nn_format_conv *record = deep->record;
    int32_t value = nn_rescale(sum, nn_format_i32(deep->multiplier, channel), deep->shift[channel]);
    return nn_clamp(value, record->out_zero, record->act_min, record->act_max);
}

static inline void put(const struct deep *deep, int8_t *out, uint32_t channel, struct quad sum)
{
    out[channel] = finished(deep, channel, sum.a);
    out[channel + 1] = finished(deep, channel + 1, sum.b);
    out[channel + 2] = finished(deep, channel + 2, sum.c);
    out[channel + 3] = finished(deep, channel + 3, sum.d);
}

/* Four channels of a pixel whose taps all lie in the input, from x on. */
static inline void four_inside(const struct deep *deep, const int8_t *x, uint32_t channel, const int8_t *w, int8_t *out)
{
    struct quad sum = bias_of(deep, channel);
    for (uint32_t row = 0; row < deep->rows; row++) {
        uint32_t at = row * deep->down;
        for (uint32_t column = deep->columns; column > 0; column--, at += deep->right, w += NN_GROUP)
            sum = tap(sum, x + at, w);
    }
    put(deep, out, channel, sum);
}

/* Where the tap at (y, x) of the input is for input channel c; in the padding, where it lies outside. */
static inline const int8_t *tap_at(const struct deep *deep, int32_t y, int32_t x, uint32_t c)
{
    const struct nn_format_conv *record = deep->record;
    if (y < 0 || y >= record->in_h || x < 0 || x >= record->in_w)
        return deep->pad_row + c;
    return deep->in + (uint32_t)y * deep->row + (uint32_t)x * record->in_c + c;
}

/* Four channels of a pixel whose kernel's corner lies at (y, x). */
static void four_at_border(const struct deep *deep, int32_t y, int32_t x, uint32_t channel, const int8_t *w, int8_t *out)
{
    const struct nn_format_conv *record = deep->record;
    struct quad sum = bias_of(deep, channel);
    for (uint32_t k = 0; k < record->k_h; k++, y += record->dilation_h)
        for (int32_t l = 0, right = x; l < record->k_w; l++, right += record->dilation_w, w += NN_GROUP)
            sum = tap(sum, tap_at(deep, y, right, channel), w);
    put(deep, out, channel, sum);
}

/* One channel of any pixel. */
static void one(const struct deep *deep, int32_t y, int32_t x, uint32_t channel, int8_t *out)
{
    const struct nn_format_conv *record = deep->record;
    uint32_t taps = (uint32_t)record->k_h * record->k_w, c = channel / deep->channel_multiplier;
    const int8_t *w = deep->weights + channel / NN_GROUP * NN_GROUP * taps + channel % NN_GROUP;
    uint32_t sum = (uint32_t)nn_format_i32(deep->bias, channel);
    for (uint32_t k = 0; k < record->k_h; k++, y += record->dilation_h)
        for (int32_t l = 0, right = x; l < record->k_w; l++, right += record->dilation_w, w += NN_GROUP)
            sum += (uint32_t)(*tap_at(deep, y, right, c) * *w);
    out[channel] = finished(deep, channel, sum);
}

static void pixel(const struct deep *deep, int32_t y, int32_t x, int8_t *out)
{
    const struct nn_format_conv *record = deep->record;
    int inside = y >= 0 && x >= 0 && y + (record->k_h - 1) * record->dilation_h < record->in_h
                 && x + (record->k_w - 1) * record->dilation_w < record->in_w;
    uint32_t channel = 0, fours = deep->channel_multiplier == 1 ? record->out_c / NN_GROUP : 0;
    uint32_t weights = NN_GROUP * (uint32_t)record->k_h * record->k_w;
    const int8_t *w = deep->weights;
    const int8_t *in = inside ? deep->in + (uint32_t)y * deep->row + (uint32_t)x * record->in_c : NULL;
    for (; fours > 0; fours--, channel += NN_GROUP, w += weights) {
        if (inside)
            four_inside(deep, in + channel, channel, w, out);
        else
            four_at_border(deep, y, x, channel, w, out);
    }
    for (; channel < record->out_c; channel++)
        one(deep, y, x, channel, out);
}

static struct deep deep_of(const struct nn *nn, const struct nn_format_depthwise *depthwise)
{
    const struct nn_format_conv *record = &depthwise->conv;
    struct deep deep = {
        .record = record,
        .in = nn_place(nn, record->in),
        .weights = (const int8_t *)nn->constants + record->weights,
        .pad_row = (const int8_t *)nn->constants + record->pad_row,
        .bias = nn->constants + record->bias,
        .multiplier = nn->constants + record->multiplier,
        .shift = (const int8_t *)nn->constants + record->shift,
        .channel_multiplier = depthwise->channel_multiplier,
        .row = (uint32_t)record->in_w * record->in_c,
        .rows = record->k_h,
        .columns = record->k_w,
        .right = (uint32_t)record->in_c * record->dilation_w,
    };
    deep.down = deep.row * record->dilation_h;
    if (deep.columns == 1)
        deep.right = deep.down;
    if (deep.right * deep.columns == deep.down || deep.columns == 1) { /* the rows follow one another: they are one */
        deep.columns *= deep.rows;
        deep.rows = 1;
    }
    return deep;
}

void nn_run_depthwise(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_depthwise record;
    nn_format_read(&record, bytes, sizeof record);
    struct deep deep = deep_of(nn, &record);
    int8_t *out = nn_out(nn, record.conv.out);
    int32_t y = -record.conv.pad_top;
    for (uint32_t i = 0; i < record.conv.out_h; i++, y += record.conv.stride_h) {
        int32_t x = -record.conv.pad_left;
        for (uint32_t j = 0; j < record.conv.out_w; j++, x += record.conv.stride_w, out += record.conv.out_c)
            pixel(&deep, y, x, out);
    }
}
