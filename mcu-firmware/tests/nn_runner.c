/* Runs plans from files, for tests in Python: to be built with any compiler, under sanitizers or for another word size.
 *
 *   nn_runner answers PLAN WINDOWS   the outputs of so many made windows, in hexadecimal, a line each
 *   nn_runner flips PLAN             every single bit of the file turned over: refused as it is; and with its checksum
 *                                    repaired, either refused or run in memory of exactly the size it asks for
 *
 * Ends with 0; 1 where a flip was not refused or a plan is not good; a sanitizer ends it otherwise. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../nn/nn.h"

#define LARGEST_ARENA ((size_t)1 << 20)

struct memory {
    uint8_t *bytes;
    size_t size;
};

/* Exactly so many bytes, 16-byte aligned, so that a sanitizer sees the first byte beyond. */
static struct memory memory_of(size_t size)
{
    struct memory made = {malloc(size), size};
    if (made.bytes == NULL || (uintptr_t)made.bytes % NN_ALIGNMENT != 0)
        abort();
    return made;
}

static struct memory read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        abort();
    struct memory made = memory_of((size_t)ftell(file));
    rewind(file);
    if (fread(made.bytes, 1, made.size, file) != made.size || fclose(file) != 0)
        abort();
    return made;
}

static uint32_t fill(uint8_t *bytes, uint32_t size, uint32_t x)
{
    for (uint32_t i = 0; i < size; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        bytes[i] = (uint8_t)(x >> 24);
    }
    return x;
}

static int answers(const char *path, uint32_t windows)
{
    struct memory file = read_file(path);
    struct plan plan;
    struct nn nn;
    if (plan_open(&plan, file.bytes, file.size) != PLAN_OK)
        return 1;
    struct memory arena = memory_of(nn_arena_wanted(&plan));
    if (nn_open(&nn, &plan, arena.bytes, arena.size) != PLAN_OK)
        return 1;
    uint32_t x = 1;
    for (uint32_t i = 0; i < windows; i++) {
        x = fill(nn_input(&nn), nn_input_bytes(&nn), x);
        nn_run(&nn);
        for (uint32_t j = 0; j < nn_output_bytes(&nn); j++)
            printf("%02x", nn_output(&nn)[j]);
        printf("\n");
    }
    free(arena.bytes);
    free(file.bytes);
    return 0;
}

/* Open and run whatever it is; 1 when it was opened. */
static int tried(const uint8_t *bytes, size_t size)
{
    struct plan plan;
    struct nn nn;
    if (plan_open(&plan, bytes, size) != PLAN_OK)
        return 0;
    size_t wanted = nn_arena_wanted(&plan);
    struct memory arena = memory_of(wanted < LARGEST_ARENA ? wanted : LARGEST_ARENA);
    int opened = nn_open(&nn, &plan, arena.bytes, arena.size) == PLAN_OK;
    if (opened) {
        memset(nn_input(&nn), 0x55, nn_input_bytes(&nn));
        nn_run(&nn);
        nn_golden(&nn, &plan);
        nn_run(&nn);
    }
    free(arena.bytes);
    return opened;
}

static void repair(struct memory file)
{
    uint32_t crc = plan_crc32(plan_crc32(0, file.bytes, 12), file.bytes + 16, file.size - 16);
    memcpy(file.bytes + 12, &crc, sizeof crc);
}

static int flips(const char *path)
{
    struct memory good = read_file(path), flipped = memory_of(good.size);
    unsigned long refused = 0, opened = 0, bits = 8 * (unsigned long)good.size;
    for (unsigned long bit = 0; bit < bits; bit++) {
        memcpy(flipped.bytes, good.bytes, good.size);
        flipped.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (tried(flipped.bytes, flipped.size)) {
            printf("bit %lu: opened as if nothing were wrong\n", bit);
            return 1;
        }
        repair(flipped);
        if (tried(flipped.bytes, flipped.size))
            opened++;
        else
            refused++;
    }
    printf("bits %lu refused %lu; repaired: refused %lu run %lu\n", bits, bits, refused, opened);
    free(good.bytes);
    free(flipped.bytes);
    return 0;
}

int main(int count, char **words)
{
    if (count == 4 && strcmp(words[1], "answers") == 0)
        return answers(words[2], (uint32_t)strtoul(words[3], NULL, 10));
    if (count == 3 && strcmp(words[1], "flips") == 0)
        return flips(words[2]);
    fprintf(stderr, "usage: nn_runner answers PLAN WINDOWS | flips PLAN\n");
    return 2;
}
