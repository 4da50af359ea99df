/* The records of the section NETW, as PLAN.md has them, and the one way to read them.
 *
 * A plan lies in flash as bytes; a record is copied out of it, field for field, so nothing is ever read through a pointer
 * of the wrong type. That needs a little-endian machine, as all three boards and their hosts are. */
#ifndef EDGED_NN_FORMAT_H
#define EDGED_NN_FORMAT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "a plan is little-endian");

#define NN_IN_CONSTANTS 0x80000000u /* of a place: an offset in the constants, not in the arena */
#define NN_GROUP 4u                 /* output channels whose weights stand side by side */

enum nn_kind {
    NN_CONV = 1,
    NN_DEPTHWISE = 2,
    NN_POOL = 3,
    NN_ADD = 4,
    NN_MUL = 5,
    NN_SOFTMAX = 6,
    NN_LUT = 7,
    NN_COPY = 8,
    NN_KINDS = 9,
};

struct nn_format_network {
    uint32_t arena_bytes, state_bytes;
    uint32_t input, input_bytes;
    uint32_t output, output_bytes;
    int32_t input_zero;
    uint32_t input_scale; /* the bits of an f32: for people, the engine has no use for it */
    int32_t output_zero;
    uint32_t output_scale;
    uint8_t input_type, output_type;
    uint16_t reserved;
    uint16_t init_ops, ops;
    uint32_t records, records_bytes;
    uint32_t constants, constants_bytes;
};

struct nn_format_head {
    uint8_t kind, rounding; /* enum nn_kind; conv: 0 rounds twice, 1 once */
    uint16_t bytes;
};

struct nn_format_conv {
    struct nn_format_head head;
    uint32_t in, out;
    uint16_t in_h, in_w, in_c, out_h, out_w, out_c;
    uint16_t k_h, k_w, stride_h, stride_w, dilation_h, dilation_w;
    int16_t pad_top, pad_left;
    uint32_t weights, bias, multiplier, shift, pad_row;
    int32_t out_zero, act_min, act_max;
};

struct nn_format_depthwise {
    struct nn_format_conv conv;
    uint32_t channel_multiplier;
};

struct nn_format_pool {
    struct nn_format_head head;
    uint32_t in, out;
    uint16_t in_h, in_w, in_c, out_h, out_w;
    uint16_t k_h, k_w, stride_h, stride_w, reserved;
    int16_t pad_top, pad_left;
    int32_t act_min, act_max;
};

struct nn_format_pair { /* what add and mul begin with */
    struct nn_format_head head;
    uint32_t a, b, out;
    uint32_t shape[4];
    int32_t stride_a[4], stride_b[4];
};

struct nn_format_add {
    struct nn_format_pair pair;
    int32_t a_zero, b_zero, left_shift, a_multiplier, a_shift, b_multiplier, b_shift, out_multiplier, out_shift;
    int32_t out_zero, act_min, act_max;
};

struct nn_format_mul {
    struct nn_format_pair pair;
    int32_t a_zero, b_zero, out_multiplier, out_shift;
    int32_t out_zero, act_min, act_max;
};

struct nn_format_softmax {
    struct nn_format_head head;
    uint32_t in, out, rows, depth, exps;
    int32_t diff_min;
};

struct nn_format_lut {
    struct nn_format_head head;
    uint32_t in, out, bytes, table;
};

struct nn_format_copy {
    struct nn_format_head head;
    uint32_t from, out;
    uint32_t shape[4];
    int32_t stride_from[4], stride_out[4];
};

_Static_assert(sizeof(struct nn_format_network) == 64, "PLAN.md");
_Static_assert(sizeof(struct nn_format_head) == 4, "PLAN.md");
_Static_assert(sizeof(struct nn_format_conv) == 72, "PLAN.md");
_Static_assert(sizeof(struct nn_format_depthwise) == 76, "PLAN.md");
_Static_assert(sizeof(struct nn_format_pool) == 44, "PLAN.md");
_Static_assert(sizeof(struct nn_format_add) == 112, "PLAN.md");
_Static_assert(sizeof(struct nn_format_mul) == 92, "PLAN.md");
_Static_assert(sizeof(struct nn_format_softmax) == 28, "PLAN.md");
_Static_assert(sizeof(struct nn_format_lut) == 20, "PLAN.md");
_Static_assert(sizeof(struct nn_format_copy) == 60, "PLAN.md");

/* Copy a record, which lies 4-byte aligned, into its struct. Where `bytes` is a constant the compiler moves words, in
 * pieces of at most 64 bytes: beyond that gcc calls memcpy, which in a small libc goes byte by byte. */
static inline void nn_format_read(void *to, const uint8_t *record, size_t bytes)
{
    const uint8_t *from = __builtin_assume_aligned(record, 4);
    uint8_t *words = __builtin_assume_aligned(to, 4);
    size_t first = bytes > 64 ? 64 : bytes;
    memcpy(words, from, first);
    memcpy(words + first, from + first, bytes - first);
}

/* One number of a table in the constants, which lies 4-byte aligned. */
static inline int32_t nn_format_i32(const uint8_t *table, size_t index)
{
    int32_t value;
    memcpy(&value, (const uint8_t *)__builtin_assume_aligned(table, 4) + 4 * index, 4);
    return value;
}

#endif
