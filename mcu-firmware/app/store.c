/* The settings' log.
 *
 * An area is a row of records of RECORD_BYTES. The place after the last record that is not blank is where the next one
 * goes; a place with anything else than 0xff in it is never programmed again before the area was erased, torn or not.
 * Records with a right CRC count; of these the one with the largest sequence number, in either area, is the settings.
 *
 * What a power cut does, and what the next start finds:
 *
 *     while a record is programmed     a torn record, skipped: the old settings; or a whole one: the new
 *     while the other area is erased   the full area, whole: the old settings. The other one is erased again before it is
 *                                      used, even if it looks blank: cells that an interrupted erase left read as they like
 *     after that, before the record    the same
 *     while its first record is        the same; a torn first record costs one more erase
 *       programmed
 *
 * A record is trusted to be torn by its CRC (one in 2^32 is not told), which begins with a magic number of this layout: a
 * firmware with other settings does not take these for its own.
 *
 * Wear: 48 bytes a record, so a page of 4 kB takes 85, a sector of 16 kB 341, and a sector of 128 kB 2730; two areas of 4 kB
 * that bear 10,000 erasures take 1.7 million records: one for each start, two for each model that is tried and confirmed. */
#include "store.h"

#include <stddef.h>
#include <string.h>

#include "../nn/plan.h"

#define LAYOUT "edged settings 1" /* the CRC begins with it */

struct record {
    uint32_t sequence;
    struct settings settings;
    uint32_t crc; /* of what is before it */
};

#define RECORD_BYTES ((uint32_t)sizeof(struct record))

_Static_assert(sizeof(struct settings) == 40, "no gap in what the CRC covers");
_Static_assert(sizeof(struct record) == 48, "a multiple of every program_bytes");

static uint32_t record_crc(const struct record *record)
{
    return plan_crc32(plan_crc32(0, LAYOUT, sizeof LAYOUT), record, offsetof(struct record, crc));
}

static int is_blank(const uint8_t *bytes)
{
    for (uint32_t i = 0; i < RECORD_BYTES; i++)
        if (bytes[i] != 0xff)
            return 0;
    return 1;
}

static uint32_t capacity(const struct store *store, enum hal_area area)
{
    return store->board->area_bytes[area] / RECORD_BYTES * RECORD_BYTES;
}

static enum hal_area other(enum hal_area area)
{
    return area == HAL_AREA_SETTINGS_A ? HAL_AREA_SETTINGS_B : HAL_AREA_SETTINGS_A;
}

/* Take the newest record of an area, if it is newer than what we have, and where that area's next one would go. */
static void read_area(struct store *store, enum hal_area area)
{
    const uint8_t *bytes = hal_flash_map(area);
    uint32_t end = 0, room = capacity(store, area);
    int newer = 0;
    for (uint32_t at = 0; at < room; at += RECORD_BYTES) {
        struct record record;
        if (is_blank(bytes + at))
            continue;
        end = at + RECORD_BYTES;
        memcpy(&record, bytes + at, sizeof record);
        if (record.sequence <= store->sequence || record.crc != record_crc(&record))
            continue;
        store->sequence = record.sequence;
        store->settings = record.settings;
        newer = 1;
    }
    if (newer) {
        store->area = area;
        store->end = end;
    }
}

int store_start(struct store *store, const struct hal_board *board)
{
    memset(store, 0, sizeof *store);
    store->board = board;
    store->settings.confirmed = store->settings.trial = STORE_NO_SLOT;
    store->area = HAL_AREA_SETTINGS_B; /* no record: B counts as full, and the first write erases A */
    store->end = capacity(store, store->area);
    read_area(store, HAL_AREA_SETTINGS_A);
    read_area(store, HAL_AREA_SETTINGS_B);
    return 0;
}

static int erase(enum hal_area area, uint32_t bytes)
{
    for (uint32_t at = 0; at < bytes;) {
        int32_t unit = hal_flash_erase(area, at);
        if (unit <= 0)
            return -1;
        at += (uint32_t)unit;
    }
    return 0;
}

/* Program a record; it counts only if it can be read as it was meant. */
static int put(enum hal_area area, uint32_t at, const struct record *record)
{
    int failed = hal_flash_program(area, at, record, RECORD_BYTES) < 0;
    return failed || memcmp(hal_flash_map(area) + at, record, RECORD_BYTES) != 0 ? -1 : 0;
}

/* A place that failed is used up. */
static int append(struct store *store, const struct record *record)
{
    uint32_t at = store->end;
    if (at + RECORD_BYTES <= capacity(store, store->area)) {
        store->end += RECORD_BYTES;
        return put(store->area, at, record);
    }
    enum hal_area next = other(store->area);
    if (capacity(store, next) == 0 || erase(next, store->board->area_bytes[next]) < 0 || put(next, 0, record) < 0)
        return -1;
    store->area = next;
    store->end = RECORD_BYTES;
    return 0;
}

int store_write(struct store *store, const struct settings *settings)
{
    struct record record = {.sequence = ++store->sequence, .settings = *settings}; /* never twice, whatever becomes of it */
    record.crc = record_crc(&record);
    if (append(store, &record) < 0)
        return -1;
    store->settings = record.settings;
    store->writes++;
    return 0;
}

int store_boot(struct store *store)
{
    struct settings settings = store->settings;
    settings.boot++;
    int status = store_write(store, &settings);
    store->settings.boot = settings.boot;
    return status;
}
