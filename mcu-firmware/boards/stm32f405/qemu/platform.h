/* QEMU's netduinoplus2, which has no RCC: the core's clock is 168 MHz whatever is asked for, and TIM2 counts 1 GHz. */
#define PLATFORM_BARE_HZ 168000000u
#define PLATFORM_BARE_TIMER_HZ 1000000000u
#define PLATFORM_BARE_NAME "STM32F405, Cortex-M4F, in QEMU"
