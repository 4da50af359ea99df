/* The chip as it is when no PLL starts: on its RC oscillator (RM 7.2.2). */
#define PLATFORM_BARE_HZ 16000000u
#define PLATFORM_BARE_TIMER_HZ 16000000u
#define PLATFORM_BARE_NAME "STM32F405, Cortex-M4F, 16 MHz, since its PLL does not start"
