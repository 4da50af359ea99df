/* The bench: QEMU's mps2-an386, which talks by semihosting, paints its stack, and marks what is to be counted. */
#ifndef EDGED_MPS2_BOARD_H
#define EDGED_MPS2_BOARD_H

#include <stdint.h>

/* The file that was built in. */
extern const uint8_t bench_input[], bench_input_end[];

/* Say "name value", a line. */
void bench_say(const char *name, uint32_t value);

/* Bytes of stack that `work` takes, what it calls included. */
uint32_t bench_stack_of(void (*work)(void *), void *with);

/* Do it once. tools/icount.c counts the instructions from the first to the last of `work`, by the addresses of these two
 * markers; gives the same by SysTick, in ticks of 25 MHz: 40 instructions each where one takes a nanosecond. */
uint32_t bench_count(void (*work)(void *), void *with);

/* What each bench is. */
int main(void);

#endif
