/* The STM32F405's flash driver over memory in the place of its flash and its registers: which sector it erases, what it
 * writes and where, what it refuses, and how it leaves the registers. QEMU's flash cannot be written, so this is what shows it
 * before a chip does; only a chip shows that the chip then does it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The library that tests are linked with has a flash of its own. */
#define hal_flash_map chip_flash_map
#define hal_flash_erase chip_flash_erase
#define hal_flash_program chip_flash_program
#include "../boards/stm32f405/chip/flash.c"

#define CACHES (FLASH_ACR_LATENCY_5 | FLASH_ACR_PRFTEN | FLASH_ACR_ICEN | FLASH_ACR_DCEN)

static uint32_t now_us;

uint32_t time_us(void) { return now_us += 100000; } /* so that a flash that hangs is given up soon */

#define CHECK(what)                                                                \
    do {                                                                           \
        if (!(what)) {                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);     \
            exit(1);                                                               \
        }                                                                          \
    } while (0)

static void lay(uint32_t address, uint32_t bytes)
{
    int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *at = mmap((void *)(uintptr_t)address, bytes, PROT_READ | PROT_WRITE, how, -1, 0);
    CHECK(at == (void *)(uintptr_t)address);
    memset(at, 0xff, bytes);
}

static void fresh(void)
{
    memset((void *)FLASH, 0, sizeof *FLASH);
    FLASH->acr = CACHES;
}

/* As it should be after whatever was done or tried: locked, the caches on again, nothing selected. */
static int at_rest(void) { return FLASH->cr == FLASH_CR_LOCK && FLASH->acr == CACHES; }

/* What an erase selects is gone from the register by the time it is locked; so the table is looked at as well. */
static void test_erases_the_sector_of_an_offset(void)
{
    static const struct {
        enum hal_area area;
        uint32_t offset, unit;
    } rows[] = {
        {HAL_AREA_SETTINGS_A, 0x3fff, 0x4000}, {HAL_AREA_SETTINGS_B, 0, 0x4000}, {HAL_AREA_SLOT_0, 0, 0x20000},
        {HAL_AREA_SLOT_0, 0x40000, 0x20000},   {HAL_AREA_SLOT_1, 0x5ffff, 0x20000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        fresh();
        CHECK(hal_flash_erase(rows[i].area, rows[i].offset) == (int32_t)rows[i].unit);
        CHECK(at_rest() && FLASH->keyr == FLASH_KEY2);
    }
    static const struct {
        uint32_t address, number;
    } numbers[] = {{0x08004000, 1}, {0x08008000, 2}, {0x08020000, 5}, {0x08080000, 8}};
    for (int area = 0; area < HAL_AREAS; area++)
        CHECK(sectors[area].address == numbers[area].address && sectors[area].first == numbers[area].number);
}

static void test_refuses_what_lies_outside(void)
{
    uint32_t words[2] = {0, 0};
    fresh();
    CHECK(hal_flash_erase(HAL_AREA_SETTINGS_A, 0x4000) < 0 && hal_flash_erase(HAL_AREA_SLOT_1, 0xffffffff) < 0);
    CHECK(hal_flash_program(HAL_AREA_SLOT_0, 0x5fffc, words, 8) < 0);
    CHECK(hal_flash_program(HAL_AREA_SLOT_0, 0xfffffffc, words, 8) < 0);
    CHECK(hal_flash_program(HAL_AREA_SLOT_0, 2, words, 4) < 0 && hal_flash_program(HAL_AREA_SLOT_0, 0, words, 6) < 0);
    CHECK(FLASH->keyr == 0 && FLASH->cr == 0);
}

static void test_programs_words_where_they_belong(void)
{
    uint8_t from[13];
    for (uint8_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 17);
    fresh();
    CHECK(hal_flash_program(HAL_AREA_SETTINGS_B, 0x3ff4, from + 1, 12) == 0); /* from an odd address, to the very end */
    CHECK(at_rest());
    CHECK(memcmp(hal_flash_map(HAL_AREA_SETTINGS_B) + 0x3ff4, from + 1, 12) == 0);
    CHECK(hal_flash_map(HAL_AREA_SETTINGS_B)[0x3ff3] == 0xff);
}

static void test_says_when_it_fails_or_hangs(void)
{
    static const uint32_t status[] = {FLASH_SR_BSY, 1u << 4, 1u << 7};
    uint32_t word = 0;
    for (size_t i = 0; i < sizeof status / sizeof *status; i++) {
        fresh();
        FLASH->sr = status[i];
        CHECK(hal_flash_erase(HAL_AREA_SLOT_0, 0) < 0 && at_rest());
        FLASH->sr = status[i];
        CHECK(hal_flash_program(HAL_AREA_SLOT_0, 0, &word, 4) < 0 && at_rest());
    }
}

int main(void)
{
    lay(0x40023000, 0x1000);
    lay(0x08004000, 0x8000);
    lay(0x08020000, 0xc0000);
    test_erases_the_sector_of_an_offset();
    test_refuses_what_lies_outside();
    test_programs_words_where_they_belong();
    test_says_when_it_fails_or_hangs();
    printf("flash: erased, programmed, refused\n");
    return 0;
}
