/* The table of operators. */
#include "nn_kernels.h"

#ifndef NN_RUN_CONV
#define NN_RUN_CONV nn_run_conv
#endif
#ifndef NN_RUN_DEPTHWISE
#define NN_RUN_DEPTHWISE nn_run_depthwise
#endif
#ifndef NN_RUN_POOL
#define NN_RUN_POOL nn_run_pool
#endif
#ifndef NN_RUN_ADD
#define NN_RUN_ADD nn_run_add
#endif
#ifndef NN_RUN_MUL
#define NN_RUN_MUL nn_run_mul
#endif

const struct nn_kernel nn_kernels[NN_KINDS] = {
    [NN_CONV] = {sizeof(struct nn_format_conv), nn_check_conv, NN_RUN_CONV},
    [NN_DEPTHWISE] = {sizeof(struct nn_format_depthwise), nn_check_depthwise, NN_RUN_DEPTHWISE},
    [NN_POOL] = {sizeof(struct nn_format_pool), nn_check_pool, NN_RUN_POOL},
    [NN_ADD] = {sizeof(struct nn_format_add), nn_check_add, NN_RUN_ADD},
    [NN_MUL] = {sizeof(struct nn_format_mul), nn_check_mul, NN_RUN_MUL},
    [NN_SOFTMAX] = {sizeof(struct nn_format_softmax), nn_check_softmax, nn_run_softmax},
    [NN_LUT] = {sizeof(struct nn_format_lut), nn_check_lut, nn_run_lut},
    [NN_COPY] = {sizeof(struct nn_format_copy), nn_check_copy, nn_run_copy},
};
