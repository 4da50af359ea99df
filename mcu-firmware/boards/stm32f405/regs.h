/* The registers of the STM32F405 that this board uses, and no others.
 *
 * RM is the reference manual RM0090 (rev. 19), whose section is named at each; M4 is PM0214, the programming manual of the
 * STM32's Cortex-M4. Addresses of peripherals: RM 2.3. */
#ifndef EDGED_REGS_H
#define EDGED_REGS_H

#include <stdint.h>

typedef volatile uint32_t reg;

/* ---- RCC, reset and clock control: RM 7.3 ---- */
struct regs_rcc {
    reg cr, pllcfgr, cfgr, cir;
    reg ahb1rstr, ahb2rstr, ahb3rstr, reserved0, apb1rstr, apb2rstr, reserved1[2];
    reg ahb1enr, ahb2enr, ahb3enr, reserved2, apb1enr, apb2enr, reserved3[2];
    reg ahb1lpenr, ahb2lpenr, ahb3lpenr, reserved4, apb1lpenr, apb2lpenr, reserved5[2];
    reg bdcr, csr, reserved6[2];
    reg sscgr, plli2scfgr;
};
#define RCC ((struct regs_rcc *)0x40023800u)
enum { /* RM 7.3.1 RCC_CR */
    RCC_CR_HSEON = 1 << 16,
    RCC_CR_HSERDY = 1 << 17,
    RCC_CR_PLLON = 1 << 24,
    RCC_CR_PLLRDY = 1 << 25,
    RCC_CR_PLLI2SON = 1 << 26,
    RCC_CR_PLLI2SRDY = 1 << 27,
};
#define RCC_PLLCFGR_SRC_HSE (1u << 22) /* RM 7.3.2: M in 5:0, N in 14:6, P in 17:16 (0: 2), Q in 27:24 */
enum { /* RM 7.3.3 RCC_CFGR */
    RCC_CFGR_SW_PLL = 2,
    RCC_CFGR_SWS_MASK = 3 << 2,
    RCC_CFGR_SWS_PLL = 2 << 2,
    RCC_CFGR_PPRE1_4 = 5 << 10,
    RCC_CFGR_PPRE2_2 = 4 << 13,
    RCC_CFGR_I2SSRC = 1 << 23, /* 0: PLLI2S */
};
enum { /* RM 7.3.10 AHB1ENR, 7.3.13 APB1ENR, 7.3.14 APB2ENR */
    RCC_AHB1_GPIOA = 1 << 0,
    RCC_AHB1_GPIOB = 1 << 1,
    RCC_AHB1_DMA1 = 1 << 21,
    RCC_APB1_TIM2 = 1 << 0,
    RCC_APB1_SPI2 = 1 << 14,
    RCC_APB2_USART1 = 1 << 4,
};
#define RCC_CSR_RMVF (1u << 24) /* RM 7.3.21 RCC_CSR */
#define RCC_CSR_BORRSTF (1u << 25)
#define RCC_CSR_PINRSTF (1u << 26)
#define RCC_CSR_PORRSTF (1u << 27)
#define RCC_CSR_SFTRSTF (1u << 28)
#define RCC_CSR_IWDGRSTF (1u << 29)
#define RCC_CSR_WWDGRSTF (1u << 30)

/* ---- FLASH, the interface of the embedded flash: RM 3.9 ---- */
struct regs_flash {
    reg acr, keyr, optkeyr, sr, cr, optcr;
};
#define FLASH ((struct regs_flash *)0x40023c00u)
enum { /* RM 3.9.1 FLASH_ACR; RM 3.5.1: 168 MHz at 2.7 to 3.6 V want five wait states */
    FLASH_ACR_LATENCY_5 = 5,
    FLASH_ACR_PRFTEN = 1 << 8,
    FLASH_ACR_ICEN = 1 << 9,
    FLASH_ACR_DCEN = 1 << 10,
    FLASH_ACR_ICRST = 1 << 11,
    FLASH_ACR_DCRST = 1 << 12,
};
#define FLASH_KEY1 0x45670123u /* RM 3.6.1 */
#define FLASH_KEY2 0xcdef89abu
#define FLASH_SR_BSY (1u << 16) /* RM 3.9.5 FLASH_SR */
#define FLASH_SR_ERRORS 0xf2u   /* PGSERR, PGPERR, PGAERR, WRPERR and OPERR; each is cleared by writing 1 */
#define FLASH_SR_EOP 1u
enum { /* RM 3.9.7 FLASH_CR */
    FLASH_CR_PG = 1 << 0,
    FLASH_CR_SER = 1 << 1,
    FLASH_CR_SNB = 1 << 3, /* times the sector's number */
    FLASH_CR_PSIZE_32 = 2 << 8,
    FLASH_CR_STRT = 1 << 16,
};
#define FLASH_CR_LOCK (1u << 31)
#define UID_ADDRESS 0x1fff7a10u /* RM 39.1: 96 bits */

/* ---- GPIO: RM 8.4 ---- */
struct regs_gpio {
    reg moder, otyper, ospeedr, pupdr, idr, odr, bsrr, lckr, afr[2];
};
#define GPIOA ((struct regs_gpio *)0x40020000u)
#define GPIOB ((struct regs_gpio *)0x40020400u)

/* ---- DMA1: RM 10.5 ---- */
struct regs_dma_stream {
    reg cr, ndtr, par, m0ar, m1ar, fcr;
};
struct regs_dma {
    reg lisr, hisr, lifcr, hifcr;
    struct regs_dma_stream stream[8];
};
#define DMA1 ((struct regs_dma *)0x40026000u)
enum { /* RM 10.5.5 DMA_SxCR; SPI2_RX is stream 3, channel 0: RM 10.3.3 */
    DMA_CR_EN = 1 << 0,
    DMA_CR_HTIE = 1 << 3,
    DMA_CR_TCIE = 1 << 4,
    DMA_CR_CIRC = 1 << 8,
    DMA_CR_MINC = 1 << 10,
    DMA_CR_PSIZE_16 = 1 << 11,
    DMA_CR_MSIZE_16 = 1 << 13,
    DMA_CR_PL_HIGH = 2 << 16,
};
#define DMA_LISR_STREAM3 (0x3du << 22) /* RM 10.5.1: FEIF3, DMEIF3, TEIF3, HTIF3, TCIF3 */

/* ---- TIM2: RM 18.4 ---- */
struct regs_tim {
    reg cr1, cr2, smcr, dier, sr, egr, ccmr1, ccmr2, ccer, cnt, psc, arr;
};
#define TIM2 ((struct regs_tim *)0x40000000u)
enum { TIM_CR1_CEN = 1, TIM_EGR_UG = 1 };

/* ---- SPI2 as I2S2: RM 28.5 ---- */
struct regs_spi {
    reg cr1, cr2, sr, dr, crcpr, rxcrcr, txcrcr, i2scfgr, i2spr;
};
#define SPI2 ((struct regs_spi *)0x40003800u)
enum { /* RM 28.5.2 SPI_CR2, 28.5.8 SPI_I2SCFGR, 28.5.9 SPI_I2SPR */
    SPI_CR2_RXDMAEN = 1 << 0,
    I2S_CFGR_CHLEN_32 = 1 << 0,
    I2S_CFGR_DATLEN_24 = 1 << 1,
    I2S_CFGR_MASTER_RX = 3 << 8,
    I2S_CFGR_E = 1 << 10,
    I2S_CFGR_MOD = 1 << 11,
};

/* ---- USART1: RM 30.6 ---- */
struct regs_usart {
    reg sr, dr, brr, cr1, cr2, cr3, gtpr;
};
#define USART1 ((struct regs_usart *)0x40011000u)
enum { /* RM 30.6.1 USART_SR, 30.6.4 USART_CR1 */
    USART_SR_ORE = 1 << 3,
    USART_SR_RXNE = 1 << 5,
    USART_SR_TC = 1 << 6,
    USART_SR_TXE = 1 << 7,
    USART_CR1_RE = 1 << 2,
    USART_CR1_TE = 1 << 3,
    USART_CR1_RXNEIE = 1 << 5,
    USART_CR1_TXEIE = 1 << 7,
    USART_CR1_UE = 1 << 13,
};

/* ---- IWDG, the independent watchdog: RM 21.4 ---- */
struct regs_iwdg {
    reg kr, pr, rlr, sr;
};
#define IWDG ((struct regs_iwdg *)0x40003000u)
enum { IWDG_START = 0xcccc, IWDG_FEED = 0xaaaa, IWDG_UNLOCK = 0x5555, IWDG_PR_64 = 4 };

/* ---- the core: M4 4.3 (NVIC), 4.4 (SCB), 4.5 (SysTick) ---- */
#define NVIC_ISER ((reg *)0xe000e100u)
#define NVIC_IPR ((volatile uint8_t *)0xe000e400u) /* the upper four bits count; 0 is the most urgent */
struct regs_scb {
    reg cpuid, icsr, vtor, aircr, scr, ccr, shpr[3], shcsr, cfsr, hfsr, dfsr, mmfar, bfar;
};
#define SCB ((struct regs_scb *)0xe000ed00u)
#define SCB_AIRCR_RESET 0x05fa0004u /* M4 4.4.5: VECTKEY and SYSRESETREQ */
struct regs_systick {
    reg ctrl, load, val;
};
#define SYSTICK ((struct regs_systick *)0xe000e010u)
enum { SYSTICK_ON = 1, SYSTICK_INTERRUPT = 2, SYSTICK_CORE_CLOCK = 4 };

/* Interrupts' numbers: RM 12.2. */
enum { IRQ_DMA1_STREAM3 = 14, IRQ_USART1 = 37, IRQS = 82 };

#ifdef __arm__
static inline void irq_on(unsigned number, uint8_t urgency)
{
    NVIC_IPR[number] = urgency;
    NVIC_ISER[number / 32] = 1u << (number % 32);
}

/* Interrupts held back, for a few instructions: gives what irq_restore wants. */
static inline uint32_t irq_hold(void)
{
    uint32_t was;
    __asm volatile("mrs %0, primask\n\tcpsid i" : "=r"(was) : : "memory");
    return was;
}

static inline void irq_restore(uint32_t was) { __asm volatile("msr primask, %0" : : "r"(was) : "memory"); }

/* All writes have arrived: M4 3.12.4. */
static inline void barrier(void) { __asm volatile("dsb" : : : "memory"); }
#else /* drivers in a test of their own, which calls what would interrupt: tests/test_stm32f405_*.c */
static inline void irq_on(unsigned number, uint8_t urgency) { (void)number, (void)urgency; }
static inline uint32_t irq_hold(void) { return 0; }
static inline void irq_restore(uint32_t was) { (void)was; }
static inline void barrier(void) {}
#endif

#endif
