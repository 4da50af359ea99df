/* From the reset to main, and from a fault to the next reset: M4 2.3 (exceptions) and 2.4 (faults).
 *
 * The stack lies at the bottom of the RAM, so that one that grows too far ends in a fault and not in somebody's data. The
 * floating-point unit stays off, as it is after a reset: nothing here uses it. */
#include "board.h"
#include "regs.h"

extern uint32_t stack_bottom[], stack_top[], data_from[], data_begin[], data_end[], bss_begin[], bss_end[];

int main(void);
void start(void);
void fault(void);
void tick(void);
void fault_record(const uint32_t *frame);

#define PAINT 0x5ac3c35au

__attribute__((section(".noinit"))) struct last_words last_words;

struct vectors {
    void *stack;
    void (*handlers[15 + IRQS])(void);
};

__attribute__((section(".vectors"), used)) const struct vectors vectors = {
    .stack = stack_top,
    .handlers = {[0] = start,
                 [1 ... 13] = fault,
                 [14] = tick,
                 [15 ... 14 + IRQ_DMA1_STREAM3] = fault,
                 [15 + IRQ_DMA1_STREAM3] = microphone_interrupt,
                 [16 + IRQ_DMA1_STREAM3... 14 + IRQ_USART1] = fault,
                 [15 + IRQ_USART1] = link_interrupt,
                 [16 + IRQ_USART1... 14 + IRQS] = fault},
};

static void paint_stack(void)
{
    uint32_t *here;
    __asm volatile("mov %0, sp" : "=r"(here));
    for (volatile uint32_t *at = stack_bottom; at < here; at++)
        *at = PAINT;
}

uint32_t stack_untouched(void)
{
    const uint32_t *at = stack_bottom;
    while (at < stack_top && *at == PAINT)
        at++;
    return (uint32_t)((at - stack_bottom) * 4);
}

void start(void)
{
    paint_stack();
    for (uint32_t i = 0; data_begin + i < data_end; i++)
        data_begin[i] = data_from[i];
    for (uint32_t *at = bss_begin; at < bss_end; at++)
        *at = 0;
    SCB->vtor = (uint32_t)(uintptr_t)&vectors;
    main();
    reset_now();
}

void tick(void) {} /* SysTick: it has ended the sleep */

/* Which stack frame the fault left (M4 2.3.7); then on with a stack of our own, for the old one may be the fault. */
__attribute__((naked)) void fault(void)
{
    __asm volatile("mov r0, sp\n\t"
                   "ldr r1, =stack_top\n\t"
                   "mov sp, r1\n\t"
                   "b fault_record");
}

void fault_record(const uint32_t *frame)
{
    int whole = frame >= stack_bottom && frame + 8 <= stack_top;
    last_words = (struct last_words){.magic = LAST_WORDS,
                                     .reason = HAL_RESET_FAULT,
                                     .exception = SCB->icsr & 0x1ff,
                                     .lr = whole ? frame[5] : 0,
                                     .pc = whole ? frame[6] : 0,
                                     .cfsr = SCB->cfsr,
                                     .hfsr = SCB->hfsr};
    reset_now();
}

_Noreturn void reset_now(void)
{
    barrier();
    SCB->aircr = SCB_AIRCR_RESET;
    for (;;)
        barrier();
}
