/* Whether a record can be run: its shapes fit, and all that its kernel will touch lies inside the plan and the arena.
 *
 * Nothing that the plan says is believed before it was compared, and all sums are in 64 bits: sixteen-bit dimensions
 * make products of at most 64 bits, and a range that was checked is shorter than 2^31. */
#include "nn_kernels.h"

/* What records cost, in units of NN_MAX_WORK (nn.h); edged/compiler/work.py has the same. An estimate that a hostile plan
 * cannot get under: tests/system/test_firmware_work.py counts the worst shapes of each kind. */
#define COST_PIXEL 12u   /* conv, depthwise: of an output pixel */
#define COST_OUTPUT 12u  /* conv, depthwise, pool: of a value */
#define COST_RUN 3u      /* conv: of a piece of a kernel that lies apart, for each output channel */
#define COST_TAP 3u      /* depthwise: of a multiply-accumulate at the border, four channels at a time */
#define COST_ONE 8u      /* depthwise: likewise, one channel at a time */
#define COST_MEAN 3u     /* pool: of a value that is averaged */
#define COST_PAIR 16u    /* add, mul: of a value */
#define COST_LINE 16u    /* add, mul, copy: of a line of the last dimension */
#define COST_MOVE 2u     /* lut, copy: of a byte */
#define COST_SOFTMAX 12u /* of a byte */
#define COST_ROW 64u     /* softmax: of a row */

#define LARGEST_REACH 0xffffu   /* of a kernel, from its first tap to its last, in one direction */
#define LARGEST_WINDOW 0x800000 /* values that a pool may average: their sum stays within 31 bits */

static int inside(uint32_t offset, uint64_t bytes, uint32_t limit)
{
    return offset <= limit && bytes <= limit - offset;
}

static int readable(const struct nn_bounds *bounds, uint32_t place, uint64_t bytes)
{
    uint32_t limit = place & NN_IN_CONSTANTS ? bounds->constants_bytes : bounds->arena_bytes;
    return inside(place & ~NN_IN_CONSTANTS, bytes, limit);
}

static int writable(const struct nn_bounds *bounds, uint32_t place, uint64_t bytes)
{
    return inside(place, bytes, bounds->arena_bytes);
}

static int table_there(const struct nn_bounds *bounds, uint32_t offset, uint64_t bytes, uint32_t alignment)
{
    return offset % alignment == 0 && inside(offset, bytes, bounds->constants_bytes);
}

/* Whether two ranges that were checked share no byte; what is in the constants shares none with an output. */
static int apart(uint32_t one, uint64_t bytes, uint32_t other, uint64_t other_bytes)
{
    return one + bytes <= other || other + other_bytes <= one;
}

static int activation_there(int32_t low, int32_t high)
{
    return low >= INT8_MIN && high <= INT8_MAX && low <= high;
}

static int rescaling_there(int32_t multiplier, int32_t shift)
{
    return multiplier >= 0 && shift >= -31 && shift <= 31;
}

/* One direction of a kernel over its input. *padded becomes 1 where a tap may fall outside it. */
struct axis {
    uint32_t in, out, taps, stride, dilation;
    int32_t pad;
};

static int axis_fits(const struct axis *axis, int *padded)
{
    if (axis->in == 0 || axis->out == 0 || axis->taps == 0 || axis->stride == 0 || axis->dilation == 0)
        return 0;
    uint64_t reach = (uint64_t)(axis->taps - 1) * axis->dilation;
    if (reach > LARGEST_REACH || axis->pad < 0 || (uint32_t)axis->pad > reach)
        return 0;
    int64_t last = (int64_t)(axis->out - 1) * axis->stride - axis->pad;
    if (axis->pad > 0 || last + (int64_t)reach >= axis->in)
        *padded = 1;
    return last < axis->in;
}

/* What conv and depthwise have in common: the geometry, and the tables by output channel. */
static int check_convolving(const struct nn_bounds *bounds, const struct nn_format_conv *conv, uint64_t weights,
                            uint64_t pad_row)
{
    int padded = 0;
    struct axis down = {conv->in_h, conv->out_h, conv->k_h, conv->stride_h, conv->dilation_h, conv->pad_top};
    struct axis right = {conv->in_w, conv->out_w, conv->k_w, conv->stride_w, conv->dilation_w, conv->pad_left};
    if (!axis_fits(&down, &padded) || !axis_fits(&right, &padded) || conv->in_c == 0 || conv->out_c == 0)
        return PLAN_SHAPE;
    if (!activation_there(conv->act_min, conv->act_max))
        return PLAN_SHAPE;
    uint64_t in_bytes = (uint64_t)conv->in_h * conv->in_w * conv->in_c;
    uint64_t out_bytes = (uint64_t)conv->out_h * conv->out_w * conv->out_c;
    uint32_t channels = (conv->out_c + NN_GROUP - 1) / NN_GROUP * NN_GROUP;
    if (!readable(bounds, conv->in, in_bytes) || !writable(bounds, conv->out, out_bytes)
        || !table_there(bounds, conv->weights, weights, 1) || !table_there(bounds, conv->bias, 4 * channels, 4)
        || !table_there(bounds, conv->multiplier, 4 * channels, 4) || !table_there(bounds, conv->shift, channels, 1)
        || !table_there(bounds, conv->pad_row, padded ? pad_row : 0, 1))
        return PLAN_OFFSET;
    if (!apart(conv->in, in_bytes, conv->out, out_bytes))
        return PLAN_SHAPE;
    const int8_t *shift = (const int8_t *)bounds->constants + conv->shift;
    for (uint32_t c = 0; c < channels; c++)
        if (shift[c] > 31 - conv->head.rounding || !rescaling_there(nn_format_i32(bounds->constants + conv->multiplier, c), shift[c]))
            return PLAN_SHAPE;
    return PLAN_OK;
}

int nn_check_conv(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_conv conv;
    nn_format_read(&conv, record, sizeof conv);
    uint32_t channels = (conv.out_c + NN_GROUP - 1) / NN_GROUP * NN_GROUP;
    uint64_t weights = (uint64_t)channels * conv.k_h * conv.k_w * conv.in_c;
    int status = check_convolving(bounds, &conv, weights, (uint64_t)conv.k_w * conv.in_c);
    uint64_t taps = (uint64_t)conv.k_h * conv.k_w * (conv.in_c + COST_RUN);
    *work = (uint64_t)conv.out_h * conv.out_w * (COST_PIXEL + channels * (taps + COST_OUTPUT)); /* 2^31 × 2^34 at most, and far less in any arena */
    return status;
}

int nn_check_depthwise(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_depthwise deep;
    nn_format_read(&deep, record, sizeof deep);
    uint32_t channels = (deep.conv.out_c + NN_GROUP - 1) / NN_GROUP * NN_GROUP;
    uint64_t weights = (uint64_t)channels * deep.conv.k_h * deep.conv.k_w;
    int status = check_convolving(bounds, &deep.conv, weights, deep.conv.in_c);
    if (status == PLAN_OK && (uint64_t)deep.conv.in_c * deep.channel_multiplier != deep.conv.out_c)
        status = PLAN_SHAPE;
    uint32_t tap = deep.channel_multiplier == 1 && deep.conv.out_c % NN_GROUP == 0 ? COST_TAP : COST_ONE;
    *work = (uint64_t)deep.conv.out_h * deep.conv.out_w * (COST_PIXEL + tap * weights + COST_OUTPUT * channels);
    return status;
}

int nn_check_pool(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_pool pool;
    nn_format_read(&pool, record, sizeof pool);
    int padded = 0;
    struct axis down = {pool.in_h, pool.out_h, pool.k_h, pool.stride_h, 1, pool.pad_top};
    struct axis right = {pool.in_w, pool.out_w, pool.k_w, pool.stride_w, 1, pool.pad_left};
    uint64_t averaged = (uint64_t)(pool.k_h < pool.in_h ? pool.k_h : pool.in_h) * (pool.k_w < pool.in_w ? pool.k_w : pool.in_w);
    if (!axis_fits(&down, &padded) || !axis_fits(&right, &padded) || pool.in_c == 0 || averaged > LARGEST_WINDOW
        || pool.reserved != 0 || !activation_there(pool.act_min, pool.act_max))
        return PLAN_SHAPE;
    uint64_t in_bytes = (uint64_t)pool.in_h * pool.in_w * pool.in_c;
    uint64_t out_bytes = (uint64_t)pool.out_h * pool.out_w * pool.in_c;
    if (!readable(bounds, pool.in, in_bytes) || !writable(bounds, pool.out, out_bytes))
        return PLAN_OFFSET;
    *work = out_bytes * (COST_MEAN * averaged + COST_OUTPUT); /* below 2^31 × 2^26 */
    return apart(pool.in, in_bytes, pool.out, out_bytes) ? PLAN_OK : PLAN_SHAPE;
}

/* How many elements a shape has; 0 where one dimension is 0, or where they are more than any run may move. */
static uint64_t elements(const uint32_t shape[4])
{
    uint64_t count = 1;
    for (int d = 0; d < 4; d++) {
        count *= shape[d]; /* below 2^29 × 2^32 */
        if (count > NN_MAX_WORK)
            return 0;
    }
    return count;
}

/* What a walk over `shape` by `stride` touches, from `place` on: first and last offset in its memory. */
struct touched {
    int64_t first, last;
};

static struct touched touches(uint32_t place, const uint32_t shape[4], const int32_t stride[4])
{
    struct touched found = {place & ~NN_IN_CONSTANTS, place & ~NN_IN_CONSTANTS};
    for (int d = 0; d < 4; d++) {
        int64_t far = (int64_t)(shape[d] - 1) * stride[d]; /* below 2^29 × 2^31, as elements() was passed */
        found.first += far < 0 ? far : 0;
        found.last += far > 0 ? far : 0;
    }
    return found;
}

static int walk_inside(const struct nn_bounds *bounds, uint32_t place, struct touched touched)
{
    uint32_t limit = place & NN_IN_CONSTANTS ? bounds->constants_bytes : bounds->arena_bytes;
    return touched.first >= 0 && touched.last < limit;
}

static void dense(const uint32_t shape[4], int32_t stride[4])
{
    uint32_t step = 1;
    for (int d = 3; d >= 0; d--) {
        stride[d] = (int32_t)step;
        step *= shape[d]; /* below 2^30, as elements() was passed */
    }
}

static int same_walk(const uint32_t shape[4], const int32_t one[4], const int32_t other[4])
{
    for (int d = 0; d < 4; d++)
        if (shape[d] > 1 && one[d] != other[d])
            return 0;
    return 1;
}

/* One input of add or mul: inside, and apart from the output or exactly it. */
static int check_operand(const struct nn_bounds *bounds, uint32_t place, const int32_t stride[4], uint32_t out,
                         const uint32_t shape[4])
{
    struct touched in = touches(place, shape, stride);
    if (!walk_inside(bounds, place, in))
        return PLAN_OFFSET;
    int32_t own[4];
    dense(shape, own);
    if ((place & NN_IN_CONSTANTS) != 0 || (place == out && same_walk(shape, stride, own)))
        return PLAN_OK;
    struct touched result = touches(out, shape, own);
    return in.last < result.first || result.last < in.first ? PLAN_OK : PLAN_SHAPE;
}

static int check_pair(const struct nn_bounds *bounds, const struct nn_format_pair *pair, uint64_t *work)
{
    uint64_t bytes = elements(pair->shape);
    if (bytes == 0)
        return PLAN_SHAPE;
    if (!writable(bounds, pair->out, bytes))
        return PLAN_OFFSET;
    *work = COST_PAIR * bytes + COST_LINE * (bytes / pair->shape[3]);
    int status = check_operand(bounds, pair->a, pair->stride_a, pair->out, pair->shape);
    return status != PLAN_OK ? status : check_operand(bounds, pair->b, pair->stride_b, pair->out, pair->shape);
}

int nn_check_add(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_add add;
    nn_format_read(&add, record, sizeof add);
    if (add.left_shift < 0 || add.left_shift > 31 || !rescaling_there(add.a_multiplier, add.a_shift)
        || !rescaling_there(add.b_multiplier, add.b_shift) || !rescaling_there(add.out_multiplier, add.out_shift)
        || !activation_there(add.act_min, add.act_max))
        return PLAN_SHAPE;
    return check_pair(bounds, &add.pair, work);
}

int nn_check_mul(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_mul mul;
    nn_format_read(&mul, record, sizeof mul);
    if (!rescaling_there(mul.out_multiplier, mul.out_shift) || !activation_there(mul.act_min, mul.act_max))
        return PLAN_SHAPE;
    return check_pair(bounds, &mul.pair, work);
}

int nn_check_softmax(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_softmax softmax;
    nn_format_read(&softmax, record, sizeof softmax);
    uint64_t bytes = (uint64_t)softmax.rows * softmax.depth;
    if (bytes == 0 || softmax.diff_min > 0)
        return PLAN_SHAPE;
    if (!readable(bounds, softmax.in, bytes) || !writable(bounds, softmax.out, bytes)
        || !table_there(bounds, softmax.exps, 256 * 4, 4))
        return PLAN_OFFSET;
    *work = COST_SOFTMAX * bytes + COST_ROW * softmax.rows;
    return apart(softmax.in, bytes, softmax.out, bytes) ? PLAN_OK : PLAN_SHAPE;
}

int nn_check_lut(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_lut lut;
    nn_format_read(&lut, record, sizeof lut);
    if (lut.bytes == 0)
        return PLAN_SHAPE;
    if (!readable(bounds, lut.in, lut.bytes) || !writable(bounds, lut.out, lut.bytes)
        || !table_there(bounds, lut.table, 256, 1))
        return PLAN_OFFSET;
    *work = COST_MOVE * (uint64_t)lut.bytes;
    return lut.in == lut.out || apart(lut.in, lut.bytes, lut.out, lut.bytes) ? PLAN_OK : PLAN_SHAPE;
}

int nn_check_copy(const struct nn_bounds *bounds, const uint8_t *record, uint64_t *work)
{
    struct nn_format_copy copy;
    nn_format_read(&copy, record, sizeof copy);
    uint64_t bytes = elements(copy.shape);
    if (bytes == 0)
        return PLAN_SHAPE;
    *work = COST_MOVE * bytes + COST_LINE * (bytes / copy.shape[3]);
    struct touched from = touches(copy.from, copy.shape, copy.stride_from);
    struct touched to = touches(copy.out, copy.shape, copy.stride_out);
    if ((copy.out & NN_IN_CONSTANTS) != 0 || !walk_inside(bounds, copy.from, from) || !walk_inside(bounds, copy.out, to))
        return PLAN_OFFSET;
    if ((int64_t)bytes > to.last - to.first + 1) /* some byte would be written twice: a loop without an end, but for that */
        return PLAN_SHAPE;
    static const int32_t run[4] = {0, 0, 0, 1};
    uint32_t line[4] = {copy.shape[0], copy.shape[1], copy.shape[2], 2};
    int moves = copy.shape[0] == 1 && copy.shape[1] == 1 && copy.shape[2] == 1 && same_walk(line, copy.stride_from, run)
                && same_walk(line, copy.stride_out, run);
    return moves || (copy.from & NN_IN_CONSTANTS) != 0 || from.last < to.first || to.last < from.first ? PLAN_OK : PLAN_SHAPE;
}
