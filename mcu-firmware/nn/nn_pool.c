/* AVERAGE_POOL_2D: the mean of the values that lie in the input, rounded to the nearest, halves away from zero. */
#include "nn_kernels.h"

/* The taps of one direction that lie in the input, end not included. */
struct span {
    uint32_t first, end;
};

static struct span span_of(int32_t start, uint32_t taps, uint32_t in)
{
    int32_t end = start + (int32_t)taps;
    return (struct span){start < 0 ? 0 : (uint32_t)start, end > (int32_t)in ? in : (uint32_t)end};
}

static int8_t mean(const struct nn_format_pool *pool, const int8_t *in, struct span down, struct span right)
{
    uint32_t row = (uint32_t)pool->in_w * pool->in_c;
    int32_t sum = 0, count = (int32_t)((down.end - down.first) * (right.end - right.first));
    for (uint32_t y = down.first; y < down.end; y++)
        for (uint32_t x = right.first; x < right.end; x++)
            sum += in[y * row + x * pool->in_c];
    sum = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
    return nn_clamp(sum, 0, pool->act_min, pool->act_max);
}

void nn_run_pool(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_pool pool;
    nn_format_read(&pool, bytes, sizeof pool);
    const int8_t *in = nn_place(nn, pool.in);
    int8_t *out = nn_out(nn, pool.out);
    for (int32_t i = 0; i < pool.out_h; i++) {
        struct span down = span_of(i * pool.stride_h - pool.pad_top, pool.k_h, pool.in_h);
        for (int32_t j = 0; j < pool.out_w; j++) {
            struct span right = span_of(j * pool.stride_w - pool.pad_left, pool.k_w, pool.in_w);
            for (uint32_t c = 0; c < pool.in_c; c++)
                *out++ = mean(&pool, in + c, down, right);
        }
    }
}
