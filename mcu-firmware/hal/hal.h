/* What a board does for the application, and all that it does. Boards implement it (boards/NAME/), nobody includes a board.
 *
 * All calls come from the one poll loop, never from an interrupt. None blocks longer than it says here. Sizes are bytes
 * unless said otherwise. It was drafted against the manuals of three chips; what each makes hard is said where it matters:
 * STM32F405 (sectors of 16 to 128 kB, the core stands still while one is erased), nRF52840 (pages of 4 kB, 85 ms each,
 * words written at most twice between erases), ESP32-C3 (flash behind SPI with a cache: code in RAM while it is written). */
#ifndef EDGED_HAL_H
#define EDGED_HAL_H

#include <stddef.h>
#include <stdint.h>

/* ---- who and what ---- */

enum hal_reset_reason {
    HAL_RESET_UNKNOWN = 0,
    HAL_RESET_POWER = 1,    /* power came, or sagged */
    HAL_RESET_PIN = 2,
    HAL_RESET_SOFTWARE = 3, /* asked for */
    HAL_RESET_WATCHDOG = 4,
    HAL_RESET_FAULT = 5,    /* a fault handler ended the last run */
};

/* Areas of flash, each a run of erase units of equal or different size; one of the settings' is ONE unit. */
enum hal_area {
    HAL_AREA_SETTINGS_A = 0, /* two areas for the settings' log: one is written while the other is whole */
    HAL_AREA_SETTINGS_B = 1,
    HAL_AREA_SLOT_0 = 2, /* two slots for models */
    HAL_AREA_SLOT_1 = 3,
    HAL_AREAS = 4,
};

struct hal_board {
    const char *name;        /* as in boards.toml: "stm32f405" */
    const char *chip;        /* "STM32F405, Cortex-M4F, 168 MHz" */
    uint32_t clock_hz;       /* of the core */
    uint32_t baud;           /* of the link; 0 where there is none, as on a pty or USB */
    uint32_t watchdog_ms;    /* after which a board that is not fed is reset; 0: there is none */
    uint32_t erase_ms;       /* the longest that one hal_flash_erase may take */
    uint32_t program_bytes;  /* flash is programmed in aligned pieces of so many bytes (1, 2, 4 or 8) */
    uint32_t area_bytes[HAL_AREAS];
    uint8_t *arena;          /* for the model; 16-byte aligned */
    uint32_t arena_bytes;
    void *noinit;            /* RAM that a reset, but not a power cut, leaves alone; 8-byte aligned */
    uint32_t noinit_bytes;
    uint8_t uid[12];         /* of the chip, from the factory */
    uint32_t stack_bytes;    /* how large the stack is; 0: not known */
    const uint8_t *image;    /* sha256 of the firmware itself, 32 bytes; NULL: not known */
};

/* The board, with its clocks, timers, link, microphone and watchdog running. Called once, first. */
const struct hal_board *hal_start(void);

/* Why this run began; the same answer until the next. */
enum hal_reset_reason hal_reset_reason(void);

/* Begin anew, now. What was given to hal_link_write may still be on its way: see hal_link_idle. */
_Noreturn void hal_reset(void);

/* ---- time ---- */

/* Microseconds since the start, monotonic; it goes on while the core sleeps and while flash is erased. */
uint64_t hal_micros(void);

/* Sleep until an interrupt (a byte, samples, a tick; at most about a millisecond), not at all if one is already due.
 * The application sums up the time spent here as idle. */
void hal_sleep(void);

/* The loop is well. */
void hal_feed_watchdog(void);

/* Bytes of the stack that were never used so far (a start-up that paints it can tell); 0: not known. */
uint32_t hal_stack_free(void);

/* ---- the link: a byte stream, buffered by interrupts ---- */

/* Up to size bytes of what came; 0: nothing yet. *lost grows by what had no room. */
size_t hal_link_read(uint8_t *to, size_t size, uint32_t *lost);

/* As many of the bytes as there is room for; never waits. */
size_t hal_link_write(const uint8_t *from, size_t size);

/* Whether all that was written has left. */
int hal_link_idle(void);

/* ---- the microphone ---- */

/* Up to count samples of what was heard, 16 kHz mono; 0: nothing yet, or no microphone. *missed grows by the samples
 * that were lost since the last call, those during an erase included; they lie before the samples that this call gives. */
size_t hal_audio_read(int16_t *to, size_t count, uint32_t *missed);

/* Whether there is a microphone. */
int hal_audio_present(void);

/* ---- flash: mapped for reading, written by these three; 0 or a negative number ---- */

/* Where an area can be read: 8-byte aligned, as plans are read in place. Constant. */
const uint8_t *hal_flash_map(enum hal_area area);

/* Erase the one unit that holds `offset` of the area, to 0xff. Gives the number of bytes of that unit, so that the next
 * begins offset + that, or a negative number. May take board.erase_ms, during which nothing else happens. */
int32_t hal_flash_erase(enum hal_area area, uint32_t offset);

/* Program erased flash: offset and size are multiples of program_bytes; `from` may lie at any address. Bits only ever go
 * from 1 to 0. */
int hal_flash_program(enum hal_area area, uint32_t offset, const void *from, uint32_t size);

#endif
