/* The container of a plan: everything is compared before anything is believed. */
#include "plan.h"

#include <string.h>

#define HEADER_BYTES 16u
#define ENTRY_BYTES 12u
#define VERSION 1u
#define MAX_SECTIONS 16u /* five are known: a bound for the time that the check for overlaps takes */

static uint32_t u32_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t u16_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8;
}

/* The reflected polynomial 0xedb88320 (ISO-HDLC, zlib's), by half a byte: a table of 64 bytes instead of 1024. */
uint32_t plan_crc32(uint32_t crc, const void *bytes, size_t size)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *at = bytes;
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

static int check_header(const uint8_t *bytes, size_t size)
{
    if (size < HEADER_BYTES)
        return PLAN_TRUNCATED;
    if (memcmp(bytes, "EDPL", 4) != 0)
        return PLAN_MAGIC;
    if (u16_at(bytes + 4) != VERSION)
        return PLAN_VERSION;
    uint32_t sections = u16_at(bytes + 6), whole = u32_at(bytes + 8);
    if (whole > size)
        return PLAN_TRUNCATED;
    if (whole % 8 != 0 || sections > MAX_SECTIONS || whole < HEADER_BYTES + ENTRY_BYTES * sections)
        return PLAN_SECTION;
    uint32_t crc = plan_crc32(plan_crc32(0, bytes, 12), bytes + HEADER_BYTES, whole - HEADER_BYTES);
    return crc == u32_at(bytes + 12) ? PLAN_OK : PLAN_CHECKSUM;
}

/* Whether two entries have one tag, or share a byte. Both are known to lie inside. */
static int collide(const uint8_t *one, const uint8_t *other)
{
    uint32_t start = u32_at(one + 4), size = u32_at(one + 8), begin = u32_at(other + 4), bytes = u32_at(other + 8);
    return memcmp(one, other, 4) == 0 || (start < begin + bytes && begin < start + size);
}

static int check_sections(const uint8_t *bytes)
{
    uint32_t sections = u16_at(bytes + 6), whole = u32_at(bytes + 8);
    for (uint32_t i = 0; i < sections; i++) {
        const uint8_t *entry = bytes + HEADER_BYTES + ENTRY_BYTES * i;
        uint32_t offset = u32_at(entry + 4), size = u32_at(entry + 8);
        if (offset % 8 != 0 || offset < HEADER_BYTES + ENTRY_BYTES * sections || offset > whole || size > whole - offset)
            return PLAN_SECTION;
        for (uint32_t j = 0; j < i; j++)
            if (collide(entry, bytes + HEADER_BYTES + ENTRY_BYTES * j))
                return PLAN_SECTION;
    }
    return PLAN_OK;
}

int plan_open(struct plan *plan, const void *bytes, size_t size)
{
    memset(plan, 0, sizeof *plan);
    if ((uintptr_t)bytes % 8 != 0)
        return PLAN_ALIGNMENT;
    int status = check_header(bytes, size);
    if (status == PLAN_OK)
        status = check_sections(bytes);
    if (status == PLAN_OK) {
        plan->bytes = bytes;
        plan->size = u32_at(plan->bytes + 8);
    }
    return status;
}

int plan_find(const struct plan *plan, const char tag[4], struct plan_section *section)
{
    memset(section, 0, sizeof *section);
    uint32_t sections = plan->bytes == NULL ? 0 : u16_at(plan->bytes + 6);
    for (uint32_t i = 0; i < sections; i++) {
        const uint8_t *entry = plan->bytes + HEADER_BYTES + ENTRY_BYTES * i;
        if (memcmp(entry, tag, 4) == 0) {
            section->bytes = plan->bytes + u32_at(entry + 4);
            section->size = u32_at(entry + 8);
            return PLAN_OK;
        }
    }
    return PLAN_SECTION;
}

const char *plan_why(int status)
{
    static const char *const why[] = {
        "it is good",
        "it is cut short",
        "it is no plan",
        "it is a plan of another version",
        "its checksum is wrong",
        "a section is missing, twice there, outside, or says what cannot be",
        "an offset in it lies outside",
        "it has an operator that this firmware does not know",
        "its shapes do not fit one another",
        "it needs more memory than this board has",
        "it lies at an odd address",
        "it is more work than a board's watchdog gives time for",
    };
    return status > 0 || status < PLAN_WORK ? "it is wrong in an unknown way" : why[-status];
}
