/* Moving bytes: CONCATENATION, STRIDED_SLICE, SPLIT_V, and the state of streaming models. */
#include "nn_kernels.h"

/* Move a run as memmove does, four bytes at a time: a small libc goes byte by byte. */
static void move(int8_t *to, const int8_t *from, uint32_t bytes)
{
    uint32_t word;
    uintptr_t ahead = (uintptr_t)to - (uintptr_t)from; /* as numbers: one may be flash, the other RAM */
    if (ahead >= bytes) {
        uint32_t i = 0;
        for (; bytes - i >= 4; i += 4) {
            memcpy(&word, from + i, 4);
            memcpy(to + i, &word, 4);
        }
        for (; i < bytes; i++)
            to[i] = from[i];
        return;
    }
    for (; bytes >= 4; bytes -= 4) {
        memcpy(&word, from + bytes - 4, 4);
        memcpy(to + bytes - 4, &word, 4);
    }
    for (; bytes > 0; bytes--)
        to[bytes - 1] = from[bytes - 1];
}

/* One line of the last dimension. */
static void line(int8_t *to, const int8_t *from, const struct nn_format_copy *copy)
{
    int32_t step = copy->stride_from[3], stride = copy->stride_out[3];
    if (step == 1 && stride == 1) {
        move(to, from, copy->shape[3]);
        return;
    }
    for (uint32_t i = 0; i < copy->shape[3]; i++)
        to[(int32_t)i * stride] = from[(int32_t)i * step];
}

/* Offsets are unsigned and wrap on the way; where they are used they lie inside. */
void nn_run_copy(const struct nn *nn, const uint8_t *bytes)
{
    struct nn_format_copy copy;
    nn_format_read(&copy, bytes, sizeof copy);
    const int8_t *from = nn_place(nn, copy.from);
    int8_t *to = nn_out(nn, copy.out);
    for (uint32_t i = 0; i < copy.shape[0]; i++)
        for (uint32_t j = 0; j < copy.shape[1]; j++)
            for (uint32_t k = 0; k < copy.shape[2]; k++) {
                uint32_t source = i * (uint32_t)copy.stride_from[0] + j * (uint32_t)copy.stride_from[1]
                                  + k * (uint32_t)copy.stride_from[2];
                uint32_t target = i * (uint32_t)copy.stride_out[0] + j * (uint32_t)copy.stride_out[1]
                                  + k * (uint32_t)copy.stride_out[2];
                line(to + (int32_t)target, from + (int32_t)source, &copy);
            }
}
