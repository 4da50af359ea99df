/* TIM2 counts microseconds, also while the core sleeps or stands still for the flash; SysTick ends a sleep each millisecond. */
#include "board.h"
#include "regs.h"

static volatile int due; /* an interrupt brought something since the last sleep */
static uint32_t last_us, wraps;

void time_start(const struct clocks *clocks)
{
    RCC->apb1enr |= RCC_APB1_TIM2;
    TIM2->psc = clocks->timer_hz / 1000000 - 1;
    TIM2->arr = 0xffffffffu; /* TIM2 has 32 bits: RM 18.4.12 */
    TIM2->egr = TIM_EGR_UG;  /* takes the prescaler over: RM 18.4.11 */
    TIM2->cr1 = TIM_CR1_CEN;
    SYSTICK->load = clocks->core_hz / 1000 - 1;
    SYSTICK->val = 0;
    SYSTICK->ctrl = SYSTICK_ON | SYSTICK_INTERRUPT | SYSTICK_CORE_CLOCK;
}

uint32_t time_us(void) { return TIM2->cnt; }

void time_due(void) { due = 1; }

/* The loop asks many times within the 71 minutes after which the count wraps. */
uint64_t hal_micros(void)
{
    uint32_t now = time_us();
    if (now < last_us)
        wraps++;
    last_us = now;
    return (uint64_t)wraps << 32 | now;
}

/* WFI ends for an interrupt that is held back too (M4 2.5.3), so none can slip in between the question and the sleep. */
void hal_sleep(void)
{
    uint32_t was = irq_hold();
    if (!due)
        __asm volatile("dsb\n\twfi" : : : "memory");
    due = 0;
    irq_restore(was);
}
