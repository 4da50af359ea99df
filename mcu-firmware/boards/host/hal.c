/* The board put together: hal_start and what belongs to no part. */
#include <stdio.h>
#include <string.h>

#include "../../app/sha256.h"
#include "host.h"

static struct {
    struct hal_board board;
    uint8_t image[32];
    _Alignas(16) uint8_t arena[HOST_ARENA_BYTES_MAX];
} self;

static const uint8_t *own_hash(void)
{
    static uint8_t piece[4096];
    struct sha256 hash;
    FILE *file = fopen("/proc/self/exe", "rb");
    size_t have;

    if (file == NULL)
        return NULL;
    sha256_start(&hash);
    while ((have = fread(piece, 1, sizeof piece, file)) > 0)
        sha256_add(&hash, piece, have);
    fclose(file);
    sha256_end(&hash, self.image);
    return self.image;
}

void host_begin(const struct host_options *options, char **argv)
{
    int fresh;

    time_begin(options, argv);
    flash_begin(options);
    self.board = (struct hal_board){
        .name = "host",
        .chip = sizeof(void *) == 8 ? "Linux, 64 bits" : "Linux, 32 bits",
        .baud = options->baud,
        .watchdog_ms = options->watchdog_ms,
        .erase_ms = options->erase_ms,
        .program_bytes = options->program_bytes,
        .arena = self.arena,
        .arena_bytes = options->arena_bytes,
        .noinit_bytes = options->noinit_bytes,
        .image = own_hash(),
    };
    for (int area = 0; area < HAL_AREAS; area++)
        self.board.area_bytes[area] = flash_area_bytes((enum hal_area)area);
    memcpy(self.board.uid, options->uid, sizeof self.board.uid);
    self.board.noinit = memory_map(options->noinit, "NOINIT", options->noinit_bytes, 0, &fresh);
    time_set_pressed(!fresh);
    microphone_begin(options);
    link_begin(options);
}

const struct hal_board *hal_start(void)
{
    return &self.board;
}

void hal_sleep(void)
{
    time_wait(link_handle());
}

uint32_t hal_stack_free(void)
{
    return 0; /* it grows as it likes */
}
