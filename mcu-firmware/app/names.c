#include "names.h"

#include <string.h>

#define NAMES_FIRST 2 /* strings before the labels: name, version */

int names_open(struct names *names, const struct plan *plan)
{
    struct plan_section section;
    int status = plan_find(plan, "NAME", &section);
    uint32_t strings, at = 34;

    memset(names, 0, sizeof *names);
    if (status != PLAN_OK)
        return status;
    if (section.size < at)
        return PLAN_SECTION;
    strings = section.bytes[32] | (uint32_t)section.bytes[33] << 8;
    for (uint32_t i = 0; i < strings; i++) {
        if (at >= section.size || section.bytes[at] > section.size - at - 1)
            return PLAN_OFFSET;
        at += 1u + section.bytes[at];
    }
    if (strings < NAMES_FIRST)
        return PLAN_SECTION;
    names->sha256 = section.bytes;
    names->strings = section.bytes + 34;
    names->labels = strings - NAMES_FIRST;
    return PLAN_OK;
}

static uint8_t nth(const struct names *names, uint32_t number, const char **text)
{
    const uint8_t *at = names->strings;

    while (number-- > 0)
        at += 1u + *at;
    *text = (const char *)(at + 1);
    return *at;
}

uint8_t names_model(const struct names *names, const char **text)
{
    return nth(names, 0, text);
}

uint8_t names_label(const struct names *names, uint32_t output, const char **text)
{
    if (output >= names->labels) {
        *text = "";
        return 0;
    }
    return nth(names, NAMES_FIRST + output, text);
}
