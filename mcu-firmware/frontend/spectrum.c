/* A window of 480 real samples, filled with zeros to 512, is transformed as 256 complex points in four stages of radix 4
 * (decimation in time), of which a last step makes the real spectrum.
 *
 * What has to be equal to kissfft (kiss_fft.cc and kiss_fftr.cc in pymicro-features 2.0.2, FIXED_POINT 16) is where it
 * rounds and where it wraps: each stage first divides its inputs by its radix, as x × (32767 / radix) / 32768 rounded half
 * up; each product with a twiddle is rounded to 15 bits once, after its two halves were added; sums wrap to 16 bits. A
 * product with the twiddle 1, which is 32767 / 32768, gives a divided value back as it was: those are left out here. */
#include "spectrum.h"

#include "tables.h"

#define HALF 0x4000 /* of 1/32768 */
#define QUARTER (32767 / 4)

struct complex {
    int32_t r, i;
};

static inline struct complex quarter(struct frontend_point point)
{
    return (struct complex){(point.r * QUARTER + HALF) >> 15, (point.i * QUARTER + HALF) >> 15};
}

static inline struct complex turned(struct complex a, const int16_t *by)
{
    return (struct complex){(HALF - a.i * by[1] + a.r * by[0]) >> 15, (HALF + a.r * by[1] + a.i * by[0]) >> 15};
}

static inline struct frontend_point wrapped(int32_t r, int32_t i)
{
    return (struct frontend_point){(int16_t)r, (int16_t)i};
}

/* The four sums of a butterfly, to where its inputs were: m points apart. */
static inline void cross(struct frontend_point *at, uint32_t m, struct complex a, struct complex b, struct complex c,
                         struct complex d)
{
    struct complex ac = {a.r + c.r, a.i + c.i}, a_c = {a.r - c.r, a.i - c.i};
    struct complex bd = {b.r + d.r, b.i + d.i}, b_d = {b.r - d.r, b.i - d.i};
    at[0] = wrapped(ac.r + bd.r, ac.i + bd.i);
    at[m] = wrapped(a_c.r + b_d.i, a_c.i - b_d.r);
    at[2 * m] = wrapped(ac.r - bd.r, ac.i - bd.i);
    at[3 * m] = wrapped(a_c.r - b_d.i, a_c.i + b_d.r);
}

/* A quarter of a point of the window: by is QUARTER, shifted as the window is to be. */
static inline struct complex scaled(struct frontend_point point, int32_t by)
{
    return (struct complex){(point.r * by + HALF) >> 15, (point.i * by + HALF) >> 15};
}

/* The first stage brings the points into order; all its twiddles are 1. The last 16 points are the filling. */
static void first_stage(const struct frontend_point *window, int shift, struct frontend_point *points)
{
    const int32_t by = QUARTER << shift;
    for (uint32_t group = 0; group < FRONTEND_POINTS / 4; group++, points += 4) {
        const struct frontend_point *from = window + frontend_order[group];
        struct complex last = {0, 0};
        if (from < window + 48) {
            last = scaled(from[192], by);
        }
        cross(points, 1, scaled(from[0], by), scaled(from[64], by), scaled(from[128], by), last);
    }
}

/* A stage that joins transforms of m points. */
__attribute__((always_inline)) static inline void stage(struct frontend_point *points, uint32_t m, const int16_t *twiddles)
{
    for (struct frontend_point *end = points + FRONTEND_POINTS; points < end; points += 3 * m) {
        cross(points, m, quarter(points[0]), quarter(points[m]), quarter(points[2 * m]), quarter(points[3 * m]));
        points++;
        for (const int16_t *by = twiddles; by < twiddles + 6 * (m - 1); by += 6, points++) {
            cross(points, m, quarter(points[0]), turned(quarter(points[m]), by), turned(quarter(points[2 * m]), by + 2),
                  turned(quarter(points[3 * m]), by + 4));
        }
    }
}

void frontend_transform(const struct frontend_point window[240], int shift, struct frontend_point points[FRONTEND_POINTS])
{
    first_stage(window, shift, points);
    stage(points, 4, frontend_twiddles);
    stage(points, 16, frontend_twiddles + 6 * 3);
    stage(points, 64, frontend_twiddles + 6 * (3 + 15));
}

static inline int32_t half(int32_t x)
{
    return (x * (32767 / 2) + HALF) >> 15;
}

static inline uint32_t energy(int32_t twice_r, int32_t twice_i)
{
    int32_t r = twice_r >> 1, i = twice_i >> 1;
    return (uint32_t)(r * r) + (uint32_t)(i * i);
}

void frontend_energies(const struct frontend_point points[FRONTEND_POINTS], uint32_t energies[FRONTEND_POINTS])
{
    const struct frontend_point *near = points + FRONTEND_FIRST_BIN, *far = points + FRONTEND_POINTS - FRONTEND_FIRST_BIN;
    uint32_t *low = energies, *high = energies + (far - near);
    for (const int16_t *by = frontend_splits; near <= far; near++, far--, by += 2) {
        struct complex a = {half(near->r), half(near->i)}, b = {half(far->r), half((int16_t)-far->i)};
        struct complex even = {a.r + b.r, a.i + b.i}, odd = turned((struct complex){a.r - b.r, a.i - b.i}, by);
        odd = (struct complex){(int16_t)odd.r, (int16_t)odd.i};
        *low++ = energy(even.r + odd.r, even.i + odd.i);
        *high-- = energy(even.r - odd.r, odd.i - even.i);
    }
}
