/* Flash of NOR kind in RAM, for tests: what hal.h says of hal_flash_*, with the power cut wherever one likes.
 *
 * It is strict. Bits only go from 1 to 0; a piece of program_bytes is programmed once between two erases; erasing goes by
 * whole units; an erase that was cut must be done again before anything is programmed there, even where it reads 0xff.
 * Whoever does otherwise is counted in `faults`, with the first one named in `fault`.
 *
 * A *write* is one piece programmed, or one unit erased. When power is cut in a write, that piece or unit is left torn:
 * of a piece none, all or some of the bits that were to be cleared are; a unit holds old bits, ones, or noise. Then the caller's
 * ram_flash_cut is jumped to, if it was set, and else all that is asked of the flash fails until it is powered again. */
#ifndef EDGED_TESTS_RAM_FLASH_H
#define EDGED_TESTS_RAM_FLASH_H

#include <setjmp.h>
#include <stdint.h>

#include "../hal/hal.h"

#define RAM_FLASH_AREA_BYTES (256u * 1024)
#define RAM_FLASH_ARENA_BYTES 4096u

struct ram_flash {
    _Alignas(8) uint8_t bytes[HAL_AREAS][RAM_FLASH_AREA_BYTES];
    uint8_t written[HAL_AREAS][RAM_FLASH_AREA_BYTES]; /* by piece: 1: programmed, or torn, since the last erase */
    uint8_t worn[HAL_AREAS][RAM_FLASH_AREA_BYTES];    /* by unit: 1: its erase was cut */
    uint32_t program_bytes, area_bytes[HAL_AREAS], unit_bytes[HAL_AREAS];
    uint64_t writes;           /* since the power came */
    uint64_t cut_at;           /* the write in which power is cut, from 1; 0: never */
    uint64_t programs, erases; /* whole ones, ever */
    uint64_t noise;            /* state of the generator that tears */
    unsigned tear;             /* how: see ram_flash_power */
    uint64_t faults;
    const char *fault;
    int off;
    int deaf; /* 1: what is programmed is taken for good and never comes to lie there, as with QEMU's STM32 */
    jmp_buf *cut;
};

extern struct ram_flash ram_flash;

/* A board's description with this flash; pieces of program_bytes, two areas for settings of so many bytes in units of so
 * many, and two slots likewise; an arena is there, too. Everything blank, and the power on. */
void ram_flash_start(struct hal_board *board, uint32_t program_bytes, const uint32_t settings[2], const uint32_t slots[2]);

/* Power again, which will be cut in write number cut_at (from 1; 0: never), torn as the seed says: seed % 4 is 0: nothing
 * came to pass, 1: all of it, but for the rest of what was asked for, 2 and 3: something in between. */
void ram_flash_power(uint64_t cut_at, uint64_t seed);

/* What lies in flash, as one may keep and put back: `to` and `from` may be ram_flash itself. Power is left alone. */
void ram_flash_copy(struct ram_flash *to, const struct ram_flash *from);

#endif
