/* Start-up, semihosting and stack of the bench: see board.h. */
#include <stddef.h>

#include "board.h"

#define PAINT 0xa5a5a5a5U
#define SYSTICK ((volatile uint32_t *)0xe000e010) /* control, reload, current: ARMv7-M ARM, B3.3 */
#define SYS_WRITE0 0x04                           /* Semihosting for AArch32 and AArch64, release 2.0 */
#define SYS_EXIT_EXTENDED 0x20
#define APPLICATION_EXIT 0x20026

extern uint32_t bench_stack[], bench_stack_end[], bench_data[], bench_data_end[], bench_bss[], bench_bss_end[];
extern const uint32_t bench_data_from[];

void start(void);
void bench_begin(void);
void bench_end(void);

static void semihost(uint32_t what, const void *with)
{
    register uint32_t r0 __asm__("r0") = what;
    register const void *r1 __asm__("r1") = with;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
}

static _Noreturn void leave(uint32_t status)
{
    uint32_t block[2] = {APPLICATION_EXIT, status};
    semihost(SYS_EXIT_EXTENDED, block);
    for (;;) {
    }
}

void bench_say(const char *name, uint32_t value)
{
    char digits[12], *at = digits + sizeof digits;
    *--at = 0;
    *--at = '\n';
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    semihost(SYS_WRITE0, name);
    semihost(SYS_WRITE0, " ");
    semihost(SYS_WRITE0, at);
}

/* The markers: not to be inlined, and each a place of its own. */
__attribute__((noinline)) void bench_begin(void)
{
    __asm__ volatile("nop");
}

__attribute__((noinline)) void bench_end(void)
{
    __asm__ volatile("nop\n nop");
}

uint32_t bench_count(void (*work)(void *), void *with)
{
    SYSTICK[1] = 0xffffff;
    SYSTICK[2] = 0;
    SYSTICK[0] = 5; /* on, by the core's clock, no interrupt */
    uint32_t before = SYSTICK[2];
    bench_begin();
    work(with);
    bench_end();
    return (before - SYSTICK[2]) & 0xffffff;
}

uint32_t bench_stack_of(void (*work)(void *), void *with)
{
    volatile uint32_t *here = __builtin_frame_address(0), *low = bench_stack;
    here -= 32; /* below what this function itself uses */
    for (volatile uint32_t *at = low; at < here; at++) {
        *at = PAINT;
    }
    work(with);
    while (low < here && *low == PAINT) {
        low++;
    }
    return (uint32_t)(here - low) * 4 + 128;
}

void start(void)
{
    for (size_t i = 0; bench_data + i < bench_data_end; i++) {
        bench_data[i] = bench_data_from[i];
    }
    for (uint32_t *at = bench_bss; at < bench_bss_end; at++) {
        *at = 0;
    }
    leave((uint32_t)main());
}

static void fault(void)
{
    semihost(SYS_WRITE0, "fault\n");
    leave(99);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))bench_stack_end, start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, 0, 0, fault, fault,
};
