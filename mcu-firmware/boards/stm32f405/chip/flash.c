/* The chip's own flash (RM 3): the one driver that QEMU needs a twin of, since its flash cannot be written.
 *
 * There is one bank: while it erases or programs, the core stands still at its next fetch (RM 3.6), for as long as
 * FLASH_ERASE_MS at most; interrupts with it. DMA goes on. */
#include <string.h>

#include "../board.h"
#include "../regs.h"

struct sectors {
    uint32_t address, bytes; /* of the area */
    uint8_t first;           /* number of its first sector: RM 3.3 */
    uint32_t sector_bytes;
};
static const struct sectors sectors[HAL_AREAS] = {
    [HAL_AREA_SETTINGS_A] = {0x08004000, 0x4000, 1, 0x4000},
    [HAL_AREA_SETTINGS_B] = {0x08008000, 0x4000, 2, 0x4000},
    [HAL_AREA_SLOT_0] = {0x08020000, 0x60000, 5, 0x20000},
    [HAL_AREA_SLOT_1] = {0x08080000, 0x60000, 8, 0x20000},
};

void flash_start(uint32_t area_bytes[HAL_AREAS])
{
    for (int area = 0; area < HAL_AREAS; area++)
        area_bytes[area] = sectors[area].bytes;
}

void flash_uid(uint8_t uid[12]) { memcpy(uid, (const void *)UID_ADDRESS, 12); }

const uint8_t *hal_flash_map(enum hal_area area) { return (const uint8_t *)(uintptr_t)sectors[area].address; }

static void unlock(void)
{
    FLASH->keyr = FLASH_KEY1;
    FLASH->keyr = FLASH_KEY2;
    uint32_t flags = FLASH->sr;
    FLASH->sr = flags; /* each is cleared by writing 1: RM 3.9.5 */
}

/* The caches may hold what was there before: RM 3.5.2. They are emptied while they are off. */
static void lock(void)
{
    FLASH->cr = FLASH_CR_LOCK;
    uint32_t on = FLASH->acr;
    FLASH->acr = on & ~(uint32_t)(FLASH_ACR_ICEN | FLASH_ACR_DCEN);
    FLASH->acr = (on & ~(uint32_t)(FLASH_ACR_ICEN | FLASH_ACR_DCEN)) | FLASH_ACR_ICRST | FLASH_ACR_DCRST;
    FLASH->acr = on;
}

/* 0 once it is done; -1: it failed, or took twice as long as it ever may. */
static int finished(void)
{
    uint32_t since = time_us();
    while (FLASH->sr & FLASH_SR_BSY)
        if (time_us() - since > 2 * FLASH_ERASE_MS * 1000u)
            return -1;
    return FLASH->sr & FLASH_SR_ERRORS ? -1 : 0;
}

int32_t hal_flash_erase(enum hal_area area, uint32_t offset)
{
    const struct sectors *of = &sectors[area];
    if (offset >= of->bytes)
        return -1;
    uint32_t number = of->first + offset / of->sector_bytes;
    unlock();
    FLASH->cr = FLASH_CR_SER | FLASH_CR_PSIZE_32 | number * FLASH_CR_SNB;
    FLASH->cr |= FLASH_CR_STRT;
    barrier();
    int status = finished();
    lock();
    return status == 0 ? (int32_t)of->sector_bytes : -1;
}

int hal_flash_program(enum hal_area area, uint32_t offset, const void *from, uint32_t size)
{
    const struct sectors *of = &sectors[area];
    if (offset > of->bytes || size > of->bytes - offset || (offset | size) % FLASH_PROGRAM_BYTES != 0)
        return -1;
    unlock();
    FLASH->cr = FLASH_CR_PG | FLASH_CR_PSIZE_32;
    int status = 0;
    for (uint32_t at = 0; at < size && status == 0; at += FLASH_PROGRAM_BYTES) {
        uint32_t word;
        memcpy(&word, (const uint8_t *)from + at, sizeof word);
        *(volatile uint32_t *)(uintptr_t)(of->address + offset + at) = word;
        barrier();
        status = finished();
    }
    lock();
    return status;
}
