/* See ram_flash.h. The globals of the firmware's tests: hal.h has no context, since a board has but one flash. */
#include "ram_flash.h"

#include <string.h>

struct ram_flash ram_flash;

/* xorshift64 (Marsaglia, 2003). */
static uint64_t noise(void)
{
    uint64_t x = ram_flash.noise;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return ram_flash.noise = x;
}

static int fault(const char *what)
{
    if (ram_flash.faults++ == 0)
        ram_flash.fault = what;
    return -1;
}

void ram_flash_start(struct hal_board *board, uint32_t program_bytes, const uint32_t settings[2], const uint32_t slots[2])
{
    static _Alignas(16) uint8_t arena[RAM_FLASH_ARENA_BYTES];
    memset(&ram_flash, 0, sizeof ram_flash);
    memset(ram_flash.bytes, 0xff, sizeof ram_flash.bytes);
    memset(board, 0, sizeof *board);
    board->name = board->chip = "ram";
    board->arena = arena;
    board->arena_bytes = sizeof arena;
    board->program_bytes = ram_flash.program_bytes = program_bytes;
    for (unsigned area = 0; area < HAL_AREAS; area++) {
        const uint32_t *sizes = area <= HAL_AREA_SETTINGS_B ? settings : slots;
        board->area_bytes[area] = ram_flash.area_bytes[area] = sizes[0];
        ram_flash.unit_bytes[area] = sizes[1];
    }
    ram_flash_power(0, 1);
}

void ram_flash_power(uint64_t cut_at, uint64_t seed)
{
    ram_flash.writes = 0;
    ram_flash.cut_at = cut_at;
    ram_flash.off = 0;
    ram_flash.tear = seed % 4;
    ram_flash.noise = seed * 0x9e3779b97f4a7c15u | 1;
}

void ram_flash_copy(struct ram_flash *to, const struct ram_flash *from)
{
    for (unsigned area = 0; area < HAL_AREAS; area++) {
        memcpy(to->bytes[area], from->bytes[area], from->area_bytes[area]);
        memcpy(to->written[area], from->written[area], from->area_bytes[area] / from->program_bytes);
        memcpy(to->worn[area], from->worn[area], from->area_bytes[area] / from->unit_bytes[area]);
    }
}

/* Whether power is cut in this write. */
static int cut_now(void)
{
    return ++ram_flash.writes == ram_flash.cut_at;
}

static int power_off(void)
{
    ram_flash.off = 1;
    if (ram_flash.cut)
        longjmp(*ram_flash.cut, 1);
    return -1;
}

const uint8_t *hal_flash_map(enum hal_area area)
{
    return ram_flash.bytes[area];
}

/* Of an interrupted erase: nothing yet, all ones already, each bit as it likes, or ones up to somewhere and then some. */
static void tear_unit(uint8_t *unit, uint32_t bytes)
{
    uint32_t upto = (uint32_t)(noise() >> 32) % (bytes + 1);
    for (uint32_t i = 0; i < bytes; i++) {
        uint8_t any = (uint8_t)(noise() >> 24);
        switch (ram_flash.tear) {
        case 0: break;
        case 1: unit[i] = 0xff; break;
        case 2: unit[i] = any; break;
        default: unit[i] = i < upto ? 0xff : (uint8_t)(unit[i] | any); break;
        }
    }
}

int32_t hal_flash_erase(enum hal_area area, uint32_t offset)
{
    uint32_t unit_bytes = ram_flash.unit_bytes[area], from = offset / unit_bytes * unit_bytes;
    if (ram_flash.off)
        return -1;
    if (offset >= ram_flash.area_bytes[area])
        return fault("erased outside the area");
    if (cut_now()) {
        tear_unit(&ram_flash.bytes[area][from], unit_bytes);
        ram_flash.worn[area][from / unit_bytes] = 1;
        return power_off();
    }
    memset(&ram_flash.bytes[area][from], 0xff, unit_bytes);
    memset(&ram_flash.written[area][from / ram_flash.program_bytes], 0, unit_bytes / ram_flash.program_bytes);
    ram_flash.worn[area][from / unit_bytes] = 0;
    ram_flash.erases++;
    return (int32_t)unit_bytes;
}

/* None, all or some of the bits that were to be cleared are. A piece on which nothing came to pass is as good as new. */
static void tear_piece(enum hal_area area, uint32_t offset, const uint8_t *from)
{
    uint8_t changed = 0;
    for (uint32_t i = 0; i < ram_flash.program_bytes; i++) {
        uint8_t any = (uint8_t)(noise() >> 24), *at = &ram_flash.bytes[area][offset + i];
        uint8_t spared = ram_flash.tear == 0 ? 0xff : ram_flash.tear == 1 ? 0 : any;
        uint8_t torn = (uint8_t)(*at & (from[i] | spared));
        changed |= (uint8_t)(*at ^ torn);
        *at = torn;
    }
    ram_flash.written[area][offset / ram_flash.program_bytes] |= changed != 0;
}

static int program_piece(enum hal_area area, uint32_t offset, const uint8_t *from)
{
    uint32_t piece = offset / ram_flash.program_bytes;
    if (ram_flash.written[area][piece])
        return fault("programmed twice between two erases");
    if (ram_flash.worn[area][offset / ram_flash.unit_bytes[area]])
        return fault("programmed where an erase was cut");
    if (cut_now()) {
        tear_piece(area, offset, from);
        return power_off();
    }
    for (uint32_t i = 0; i < ram_flash.program_bytes; i++)
        ram_flash.bytes[area][offset + i] &= from[i];
    ram_flash.written[area][piece] = 1;
    ram_flash.programs++;
    return 0;
}

int hal_flash_program(enum hal_area area, uint32_t offset, const void *from, uint32_t size)
{
    const uint8_t *bytes = from;
    if (ram_flash.off)
        return -1;
    if (ram_flash.deaf)
        return 0;
    if (offset % ram_flash.program_bytes || size % ram_flash.program_bytes)
        return fault("programmed what is no whole piece");
    if (size > ram_flash.area_bytes[area] || offset > ram_flash.area_bytes[area] - size)
        return fault("programmed outside the area");
    for (uint32_t at = 0; at < size; at += ram_flash.program_bytes)
        if (program_piece(area, offset + at, bytes + at) < 0)
            return -1;
    return 0;
}
