/* The STM32F405 as hal.h wants it: everything started, who it is, why it began, its watchdog. */
#include "board.h"

#include "regs.h"

/* The watchdog's clock is 17 to 47 kHz (DS8626, LSI), nominally 32: 4000 / (47 kHz / 64) = 5.4 s, 8 s, at most 15. */
#define WATCHDOG_COUNT 4000u
#define WATCHDOG_LEAST_MS (WATCHDOG_COUNT * 64u / 47u)
_Static_assert(WATCHDOG_LEAST_MS > 2 * FLASH_ERASE_MS, "an erase, however slow, must not look like a hang");

#define NOINIT_BYTES 3072
#define ALIVE 0x616c6976u

extern uint8_t arena_begin[], arena_end[];

static __attribute__((section(".noinit"), aligned(8))) uint8_t noinit[NOINIT_BYTES];
static __attribute__((section(".noinit"))) uint32_t alive; /* ALIVE: the RAM has seen a run before */
static struct hal_board board;
static enum hal_reset_reason reason;

/* RM 7.3.21: the flags gather until they are cleared. In QEMU there are none, and the RAM alone can tell. */
static enum hal_reset_reason find_reason(void)
{
    uint32_t flags = RCC->csr;
    RCC->csr |= RCC_CSR_RMVF;
    if (flags & (RCC_CSR_PORRSTF | RCC_CSR_BORRSTF))
        return HAL_RESET_POWER;
    if (last_words.magic == LAST_WORDS)
        return (enum hal_reset_reason)last_words.reason;
    if (flags & (RCC_CSR_IWDGRSTF | RCC_CSR_WWDGRSTF))
        return HAL_RESET_WATCHDOG;
    if (flags & RCC_CSR_SFTRSTF)
        return HAL_RESET_SOFTWARE;
    if (flags & RCC_CSR_PINRSTF)
        return HAL_RESET_PIN;
    return alive == ALIVE ? HAL_RESET_UNKNOWN : HAL_RESET_POWER;
}

/* RM 21.3. Once started it cannot be stopped. */
static void start_watchdog(void)
{
    IWDG->kr = IWDG_START;
    IWDG->kr = IWDG_UNLOCK;
    IWDG->pr = IWDG_PR_64;
    IWDG->rlr = WATCHDOG_COUNT - 1;
    IWDG->kr = IWDG_FEED;
}

const struct hal_board *hal_start(void)
{
    reason = find_reason();
    last_words.magic = 0; /* the rest stays for a debugger */
    alive = ALIVE;
    start_watchdog();
    struct clocks clocks = clocks_start();
    time_start(&clocks);
    board = (struct hal_board){
        .name = "stm32f405",
        .chip = clocks.name,
        .clock_hz = clocks.core_hz,
        .baud = link_start(&clocks),
        .watchdog_ms = WATCHDOG_LEAST_MS,
        .erase_ms = FLASH_ERASE_MS,
        .program_bytes = FLASH_PROGRAM_BYTES,
        .arena = arena_begin,
        .arena_bytes = (uint32_t)(arena_end - arena_begin),
        .noinit = noinit,
        .noinit_bytes = NOINIT_BYTES,
    };
    flash_start(board.area_bytes);
    flash_uid(board.uid);
    microphone_start(&clocks);
    return &board;
}

enum hal_reset_reason hal_reset_reason(void) { return reason; }

_Noreturn void hal_reset(void)
{
    last_words.reason = HAL_RESET_SOFTWARE;
    last_words.magic = LAST_WORDS;
    reset_now();
}

void hal_feed_watchdog(void) { IWDG->kr = IWDG_FEED; }

uint32_t hal_stack_free(void) { return stack_untouched(); }
