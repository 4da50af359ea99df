/* The section NAME of a plan: whose it is, and what its outputs are called. */
#ifndef EDGED_NAMES_H
#define EDGED_NAMES_H

#include <stdint.h>

#include "../nn/plan.h"

struct names {
    const uint8_t *sha256; /* 32 bytes, of the .tflite */
    const uint8_t *strings; /* each: its bytes, then UTF-8: name, version, labels */
    uint32_t labels;
};

/* Find and check the section. Errors: enum plan_status. */
int names_open(struct names *names, const struct plan *plan);

/* The model's name (not ended by 0); gives its bytes. */
uint8_t names_model(const struct names *names, const char **text);

/* A label, by the output's number; gives its bytes, 0 where there is no such label. */
uint8_t names_label(const struct names *names, uint32_t output, const char **text);

#endif
