/* A window of 480 real samples, filled with zeros to 512, is transformed as 256 complex points in four stages of radix 4
 * (decimation in time), of which a last step makes the real spectrum.
 *
 * What has to be equal to kissfft (kiss_fft.cc and kiss_fftr.cc in pymicro-features 2.0.2, FIXED_POINT 16) is where it
 * rounds and where it wraps: each stage first divides its inputs by its radix, as x × (32767 / radix) / 32768 rounded half
 * up; each product with a twiddle is rounded to 15 bits once, after its two halves were added; sums wrap to 16 bits. A
 * product with the twiddle 1, which is 32767 / 32768, gives a divided value back as it was: those are left out here.
 *
 * A point is a word, its real part in the lower half, so that it is loaded and stored at once. */
#include "spectrum.h"

#include "tables.h"

#define HALF 0x4000 /* of 1/32768 */

struct complex {
    int32_t r, i;
};

static inline int32_t lower(uint32_t point)
{
    return (int16_t)(uint16_t)point;
}

static inline int32_t upper(uint32_t point)
{
    return (int16_t)(uint16_t)(point >> 16);
}

static inline uint32_t joined(int32_t r, int32_t i)
{
    return ((uint32_t)r & 0xffffU) | (uint32_t)i << 16;
}

static inline struct complex quarter(uint32_t point)
{
    const int32_t by = 32767 / 4;
    return (struct complex){(lower(point) * by + HALF) >> 15, (upper(point) * by + HALF) >> 15};
}

static inline struct complex turned(struct complex a, const int16_t *by)
{
    return (struct complex){(a.r * by[0] - a.i * by[1] + HALF) >> 15, (a.r * by[1] + a.i * by[0] + HALF) >> 15};
}

/* The four sums of a butterfly, to where its inputs were: m points apart. */
static inline void cross(uint32_t *at, uint32_t m, struct complex a, struct complex b, struct complex c, struct complex d)
{
    struct complex ac = {a.r + c.r, a.i + c.i}, a_c = {a.r - c.r, a.i - c.i};
    struct complex bd = {b.r + d.r, b.i + d.i}, b_d = {b.r - d.r, b.i - d.i};
    at[0] = joined(ac.r + bd.r, ac.i + bd.i);
    at[m] = joined(a_c.r + b_d.i, a_c.i - b_d.r);
    at[2 * m] = joined(ac.r - bd.r, ac.i - bd.i);
    at[3 * m] = joined(a_c.r - b_d.i, a_c.i + b_d.r);
}

/* A sample pair, shifted; what is pushed out is lost, as it is there. */
static inline uint32_t scaled(uint32_t pair, int shift)
{
    return joined((int32_t)(pair << shift), (int32_t)((pair >> 16) << shift));
}

/* The first stage brings the points into order; all its twiddles are 1. */
static void first_stage(const uint32_t *pairs, int shift, uint32_t *points)
{
    for (uint32_t group = 0; group < FRONTEND_POINTS / 4; group++) {
        const uint32_t *from = pairs + frontend_order[group];
        uint32_t last = frontend_order[group] < 240 - 192 ? from[192] : 0;
        cross(points + 4 * group, 1, quarter(scaled(from[0], shift)), quarter(scaled(from[64], shift)),
              quarter(scaled(from[128], shift)), quarter(scaled(last, shift)));
    }
}

/* A stage that joins transforms of m points. Gives the twiddles of the next. */
static const int16_t *stage(uint32_t *points, uint32_t m, const int16_t *twiddles)
{
    for (uint32_t *at = points; at < points + FRONTEND_POINTS; at += 4 * m) {
        cross(at, m, quarter(at[0]), quarter(at[m]), quarter(at[2 * m]), quarter(at[3 * m]));
    }
    for (uint32_t k = 1; k < m; k++, twiddles += 6) {
        for (uint32_t *at = points + k; at < points + FRONTEND_POINTS; at += 4 * m) {
            cross(at, m, quarter(at[0]), turned(quarter(at[m]), twiddles),
                  turned(quarter(at[2 * m]), twiddles + 2), turned(quarter(at[3 * m]), twiddles + 4));
        }
    }
    return twiddles;
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

/* The energies of the real spectrum, by pairs of mirrored points; neither the constant nor the highest bin is wanted. */
static void split(const uint32_t *points, uint32_t *energies)
{
    const int16_t *by = frontend_splits;
    uint32_t *low = energies, *high = energies + FRONTEND_POINTS - 2 * FRONTEND_FIRST_BIN;
    for (uint32_t k = FRONTEND_FIRST_BIN; k <= FRONTEND_POINTS / 2; k++, by += 2, low++, high--) {
        uint32_t a = points[k], b = points[FRONTEND_POINTS - k];
        struct complex near = {half(lower(a)), half(upper(a))};
        struct complex far = {half(lower(b)), half((int16_t)(uint16_t)(0U - (b >> 16)))};
        struct complex even = {near.r + far.r, near.i + far.i};
        struct complex odd = turned((struct complex){near.r - far.r, near.i - far.i}, by);
        odd = (struct complex){(int16_t)odd.r, (int16_t)odd.i};
        *low = energy(even.r + odd.r, even.i + odd.i);
        if (high < energies + FRONTEND_BINS) {
            *high = energy(even.r - odd.r, odd.i - even.i);
        }
    }
}

void frontend_spectrum(uint32_t *pairs, int shift, uint32_t points[FRONTEND_POINTS])
{
    first_stage(pairs, shift, points);
    const int16_t *twiddles = frontend_twiddles;
    for (uint32_t m = 4; m < FRONTEND_POINTS; m *= 4) {
        twiddles = stage(points, m, twiddles);
    }
    split(points, pairs);
}
