/* The clock tree: RM 7.2. Crystal (8 MHz) → PLL → 168 MHz; without a crystal from the RC oscillator, which is 1 % off; without
 * a PLL what the chip woke with. Nothing is waited for without end: QEMU's flags never come. */
#include "board.h"
#include "platform.h"
#include "regs.h"

/* About 50 ms at 16 MHz, with which the chip wakes; a crystal takes 2 (DS8626), a PLL 0.3. */
#define PATIENCE 60000u

static int appears(const reg *where, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < PATIENCE; i++)
        if ((*where & mask) == value)
            return 1;
    return 0;
}

/* The PLLs take 1 MHz (RM 7.3.2 allows 1 to 2): M is 8 for the crystal and 16 for the RC oscillator. */
static uint32_t pll_figures(int crystal)
{
    uint32_t m = crystal ? 8 : 16, n = 336, p = 2, q = 7;
    return m | n << 6 | (p / 2 - 1) << 16 | q << 24 | (crystal ? RCC_PLLCFGR_SRC_HSE : 0);
}

/* 168 MHz: five wait states first (RM 3.5.1), APB1 at 42 MHz and APB2 at 84, their limits (RM 7.2). */
static int run_from_pll(int crystal)
{
    RCC->pllcfgr = pll_figures(crystal);
    RCC->cr |= RCC_CR_PLLON;
    if (!appears(&RCC->cr, RCC_CR_PLLRDY, RCC_CR_PLLRDY)) {
        RCC->cr &= ~(uint32_t)RCC_CR_PLLON;
        return 0;
    }
    FLASH->acr = FLASH_ACR_LATENCY_5 | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN;
    RCC->cfgr = RCC_CFGR_PPRE1_4 | RCC_CFGR_PPRE2_2 | RCC_CFGR_SW_PLL;
    return appears(&RCC->cfgr, RCC_CFGR_SWS_MASK, RCC_CFGR_SWS_PLL);
}

/* The I2S clock: 1 MHz × N 256 / R 5 = 51.2 MHz, of which microphone.c makes 16 kHz exactly (RM 28.4.4). RM 7.3.23. */
static int run_audio_pll(void)
{
    uint32_t n = 256, r = 5;
    RCC->plli2scfgr = n << 6 | r << 28;
    RCC->cr |= RCC_CR_PLLI2SON;
    return appears(&RCC->cr, RCC_CR_PLLI2SRDY, RCC_CR_PLLI2SRDY);
}

struct clocks clocks_start(void)
{
    RCC->cr |= RCC_CR_HSEON;
    int crystal = appears(&RCC->cr, RCC_CR_HSERDY, RCC_CR_HSERDY);
    if (!run_from_pll(crystal))
        return (struct clocks){.core_hz = PLATFORM_BARE_HZ,
                               .usart_hz = PLATFORM_BARE_HZ,
                               .timer_hz = PLATFORM_BARE_TIMER_HZ,
                               .name = PLATFORM_BARE_NAME};
    return (struct clocks){.core_hz = 168000000,
                           .usart_hz = 84000000,
                           .timer_hz = 84000000, /* twice APB1: RM 7.2 */
                           .audio = run_audio_pll(),
                           .name = crystal ? "STM32F405, Cortex-M4F, 168 MHz"
                                           : "STM32F405, Cortex-M4F, 168 MHz from its RC oscillator"};
}
