/* Flash with the manners of NOR: erased by units to ones, programmed in aligned pieces, bits only go from 1 to 0. */
#include <string.h>
#include <unistd.h>

#include "host.h"

#define SETTINGS_BYTES 16384 /* as STM32F405's small sectors; less where the unit is smaller */

static struct {
    uint8_t *bytes;
    uint32_t unit, slot_bytes, program_bytes, erase_ms, writes, cut_after;
} self;

static uint32_t unit_of(enum hal_area area)
{
    return area < HAL_AREA_SLOT_0 && self.unit > SETTINGS_BYTES ? SETTINGS_BYTES : self.unit;
}

uint32_t flash_area_bytes(enum hal_area area)
{
    return area < HAL_AREA_SLOT_0 ? unit_of(area) : self.slot_bytes;
}

static uint8_t *area_at(enum hal_area area)
{
    uint8_t *at = self.bytes;

    for (int before = 0; before < (int)area; before++)
        at += flash_area_bytes((enum hal_area)before);
    return at;
}

void flash_begin(const struct host_options *options)
{
    size_t size = 0;
    int fresh;

    self.unit = options->erase_unit;
    self.slot_bytes = options->slot_bytes;
    self.program_bytes = options->program_bytes;
    self.erase_ms = options->erase_ms;
    self.cut_after = options->cut_after_writes;
    for (int area = 0; area < HAL_AREAS; area++)
        size += flash_area_bytes((enum hal_area)area);
    self.bytes = memory_map(options->flash, "FLASH", size, 0xff, &fresh);
}

const uint8_t *hal_flash_map(enum hal_area area)
{
    return area_at(area);
}

static int power_fails(void)
{
    self.writes++;
    return self.writes == self.cut_after;
}

int32_t hal_flash_erase(enum hal_area area, uint32_t offset)
{
    uint32_t unit = unit_of(area);
    uint8_t *at;

    if (offset >= flash_area_bytes(area))
        return -1;
    at = area_at(area) + offset / unit * unit;
    if (power_fails()) {
        memset(at, 0xff, unit / 2);
        _exit(3);
    }
    time_pass(1000ull * self.erase_ms * unit / self.unit); /* a smaller one takes as much less */
    memset(at, 0xff, unit);
    return (int32_t)(unit - offset % unit);
}

/* A bit that would have to rise is a mistake of the caller: it stays 0, as it would, and it is told. */
static int program(uint8_t *at, const uint8_t *from, uint32_t size)
{
    int status = 0;

    for (uint32_t i = 0; i < size; i++) {
        if ((at[i] & from[i]) != from[i])
            status = -1;
        at[i] &= from[i];
    }
    return status;
}

int hal_flash_program(enum hal_area area, uint32_t offset, const void *from, uint32_t size)
{
    uint32_t area_bytes = flash_area_bytes(area), pieces = size / self.program_bytes;
    uint8_t *at = area_at(area) + offset;

    if (offset % self.program_bytes != 0 || size % self.program_bytes != 0)
        return -1;
    if (offset > area_bytes || size > area_bytes - offset)
        return -1;
    if (power_fails()) {
        program(at, from, pieces / 2 * self.program_bytes);
        _exit(3);
    }
    return program(at, from, size);
}
