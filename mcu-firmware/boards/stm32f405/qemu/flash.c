/* The flash for QEMU, whose own swallows what is written to it: RAM that behaves like flash, kept across resets.
 *
 * Units and areas are smaller than the chip's, since they must lie in the machine's 192 kB beside all else. As on the chip,
 * bits only ever go from 1 to 0 until they are erased. */
#include <string.h>

#include "../board.h"

#define SETTINGS_BYTES 2048u
#define SLOT_BYTES 57344u
#define UNIT_BYTES 8192u
#define MAGIC 0x666c6173u

static __attribute__((section(".flash"), aligned(8))) struct {
    uint8_t settings[2][SETTINGS_BYTES];
    uint8_t slots[2][SLOT_BYTES];
    uint32_t magic;
} flash;

static uint8_t *begin(enum hal_area area)
{
    return area < HAL_AREA_SLOT_0 ? flash.settings[area] : flash.slots[area - HAL_AREA_SLOT_0];
}

static uint32_t bytes_of(enum hal_area area) { return area < HAL_AREA_SLOT_0 ? SETTINGS_BYTES : SLOT_BYTES; }

void flash_start(uint32_t area_bytes[HAL_AREAS])
{
    if (flash.magic != MAGIC)
        memset(&flash, 0xff, sizeof flash);
    flash.magic = MAGIC;
    for (int area = 0; area < HAL_AREAS; area++)
        area_bytes[area] = bytes_of((enum hal_area)area);
}

void flash_uid(uint8_t uid[12]) { memcpy(uid, "QEMU-F405\0\0", 12); }

const uint8_t *hal_flash_map(enum hal_area area) { return begin(area); }

int32_t hal_flash_erase(enum hal_area area, uint32_t offset)
{
    if (offset >= bytes_of(area))
        return -1;
    uint32_t unit = area < HAL_AREA_SLOT_0 ? SETTINGS_BYTES : UNIT_BYTES;
    memset(begin(area) + offset / unit * unit, 0xff, unit);
    return (int32_t)unit;
}

int hal_flash_program(enum hal_area area, uint32_t offset, const void *from, uint32_t size)
{
    if (offset > bytes_of(area) || size > bytes_of(area) - offset || (offset | size) % FLASH_PROGRAM_BYTES != 0)
        return -1;
    for (uint32_t at = 0; at < size; at++)
        begin(area)[offset + at] &= ((const uint8_t *)from)[at];
    return 0;
}
