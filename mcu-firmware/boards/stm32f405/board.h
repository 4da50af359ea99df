/* What the files of this board say to one another. */
#ifndef EDGED_BOARD_H
#define EDGED_BOARD_H

#include <stdint.h>

#include "../../hal/hal.h"

/* ---- clock.c ---- */
struct clocks {
    uint32_t core_hz;
    uint32_t usart_hz; /* of APB2 */
    uint32_t timer_hz; /* what TIM2 counts */
    int audio;         /* the I2S clock runs, and from the same source as TIM2 */
    const char *name;  /* the chip, with what it runs at */
};
/* Start the clocks. Bounded: whatever does not start within its time is done without. */
struct clocks clocks_start(void);

/* ---- time.c ---- */
void time_start(const struct clocks *clocks);
uint32_t time_us(void); /* microseconds, which wrap: also for interrupts */
void time_due(void);    /* from an interrupt: the loop has something to do */

/* ---- link.c ---- */
#define LINK_BAUD 1000000u
#define LINK_BAUD_SLOW 115200u /* where the core is too slow for an interrupt every 10 us */
uint32_t link_start(const struct clocks *clocks); /* gives the baud rate */
void link_interrupt(void);

/* ---- microphone.c ---- */
void microphone_start(const struct clocks *clocks);
void microphone_interrupt(void);

/* ---- chip/flash.c and its twin, qemu/flash.c ---- */
#define FLASH_PROGRAM_BYTES 4
#define FLASH_ERASE_MS 2000 /* DS8626 (datasheet), flash memory programming: 128 kB, 32 bits at a time: 2 s at most */
void flash_start(uint32_t area_bytes[HAL_AREAS]);
void flash_uid(uint8_t uid[12]);

/* ---- start.c ---- */
/* What the last run left behind for this one, in RAM that start-up does not touch. */
struct last_words {
    uint32_t magic; /* LAST_WORDS: the rest is true */
    uint32_t reason; /* enum hal_reset_reason */
    uint32_t exception, pc, lr, cfsr, hfsr; /* of a fault: M4 2.4 and 4.4 */
};
#define LAST_WORDS 0x6c617374u
extern struct last_words last_words;
_Noreturn void reset_now(void);
uint32_t stack_untouched(void);

#endif
