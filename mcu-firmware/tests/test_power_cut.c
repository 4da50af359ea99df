/* Power is cut in every single write of a board's life, and the board must live on.
 *
 * A life of the slots: start, upload model B in pieces beside the confirmed model A, try it, confirm it. In each of its
 * writes (a piece programmed, a unit erased) the power is cut, and what was being written is torn. Then the board starts:
 *
 *     A runs, whole, by its hash, if the cut came before B was being confirmed; B, if confirming had returned; else either;
 *     no trial is on; the boot's number went up; the upload of B, begun anew, is tried and confirmed, and B runs;
 *     nothing was programmed twice, nor on a unit whose erase was cut (ram_flash.c sees to that).
 *
 * Half of the recoveries are cut as well, anywhere. A life of the settings: one record after the other, over several turns
 * of the two areas; after the cut the settings are those of the last write that returned, or of the one that was cut.
 * Last, a soak: the same flash through life after life, each cut anywhere, each with the next model.
 *
 *     test_power_cut         some of the writes, and the last of a life all, seconds
 *     test_power_cut full    every write, and longer soaks, minutes
 *
 * each torn in all four ways that ram_flash_power knows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../app/slots.h"
#include "../nn/format.h"
#include "ram_flash.h"

#define MODELS 3
#define PLAN_BYTES_MAX 12288

struct geometry {
    uint32_t program_bytes, settings[2], slots[2]; /* area, unit */
    uint32_t plan_bytes, message_bytes;
};

/* What the world knows of the board; a cut leaves it as it was. */
static struct {
    struct geometry shape;
    struct hal_board board;
    struct store store;
    struct slots slots;
    struct ram_flash before;
    uint8_t plan[MODELS][PLAN_BYTES_MAX], sha256[MODELS][32];
    uint32_t bytes[MODELS];
    int confirmed, confirming; /* models: the last that was confirmed; the one whose confirmation is on, or the same */
    uint32_t boot;             /* the last that was counted */
    uint32_t written, writing; /* numbers of settings: the last that was, the one that is being */
    uint64_t cut_at, seed;
    uint64_t cuts, old, new_ones;
} world;

static void check(int good, const char *what)
{
    if (good && ram_flash.faults == 0)
        return;
    printf("FAILED: %s (flash: %s) at program_bytes %u, unit %u, cut in write %llu, seed %llu\n", what,
           ram_flash.fault ? ram_flash.fault : "no fault", (unsigned)world.shape.program_bytes,
           (unsigned)world.shape.slots[1], (unsigned long long)world.cut_at, (unsigned long long)world.seed);
    exit(1);
}

static uint64_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u; /* Knuth, MMIX */
    return *state >> 33;
}

/* Run `life` until it ends or until power is cut in write number `cut_at`. Gives whether it was cut. */
static int live(void (*life)(void), uint64_t cut_at, uint64_t seed)
{
    static jmp_buf cut;
    volatile int was_cut = 1;
    ram_flash_power(cut_at, seed);
    ram_flash.cut = &cut;
    if (setjmp(cut) == 0) {
        life();
        was_cut = 0;
    }
    ram_flash.cut = NULL;
    ram_flash.cut_at = 0;
    return was_cut;
}

/* ---- models ---- */

/* A plan with a network of no operators and `bytes` of constants that differ by model. */
static void make_plan(int model, uint32_t bytes)
{
    uint8_t *plan = world.plan[model];
    uint32_t section[2] = {32, bytes - 32}, size = bytes, crc;
    uint16_t numbers[2] = {1, 1};
    struct nn_format_network network = {.arena_bytes = 16, .records = sizeof network, .constants = sizeof network};
    network.constants_bytes = bytes - 32 - (uint32_t)sizeof network;
    uint64_t noise = (uint64_t)model + 1;
    for (uint32_t i = 0; i < bytes; i++)
        plan[i] = (uint8_t)random_next(&noise);
    memcpy(plan, "EDPL", 4);
    memcpy(plan + 4, numbers, 4);
    memcpy(plan + 8, &size, 4);
    memcpy(plan + 16, "NETW", 4);
    memcpy(plan + 20, section, 8);
    memcpy(plan + 32, &network, sizeof network);
    crc = plan_crc32(plan_crc32(0, plan, 12), plan + 16, bytes - 16);
    memcpy(plan + 12, &crc, 4);
    world.bytes[model] = bytes;
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, plan, bytes);
    sha256_end(&hash, world.sha256[model]);
}

/* Which model lies in the slot that is active, by the bytes that are there; -1: none. */
static int running(void)
{
    struct plan plan;
    if (slots_plan(&world.slots, world.slots.active, &plan) != PLAN_OK)
        return -1;
    for (int model = 0; model < MODELS; model++)
        if (plan.size == world.bytes[model] && memcmp(plan.bytes, world.plan[model], plan.size) == 0)
            return model;
    return -1;
}

/* ---- the life of the slots ---- */

static void start(void)
{
    store_start(&world.store, &world.board);
    check(store_boot(&world.store) == 0, "the boot could not be counted");
    check(world.store.settings.boot > world.boot, "the boot's number went back");
    world.boot = world.store.settings.boot;
    check(slots_start(&world.slots, &world.board, &world.store) == SERVICE_OK, "the slots do not start");
}

static void upload(int model)
{
    const char *why = "";
    uint32_t next = 0;
    int match = 0, busy = 0;
    while (!match) {
        uint32_t left = world.bytes[model] - next;
        struct service_upload in = {
            .offset = next, .data = world.plan[model] + next,
            .size = left < world.shape.message_bytes ? left : world.shape.message_bytes,
            .first = next == 0, .length = world.bytes[model], .sha256 = world.sha256[model],
        };
        uint64_t erases = ram_flash.erases, programs = ram_flash.programs;
        int status = slots_upload(&world.slots, &in, &next, &match, &why);
        busy = status == SERVICE_BUSY ? busy + 1 : 0;
        check((status == SERVICE_OK || status == SERVICE_BUSY) && busy < 64, why);
        check(ram_flash.erases - erases == (status == SERVICE_BUSY), "busy means that one unit was erased");
        check(status == SERVICE_OK || ram_flash.programs == programs, "a message that erases takes nothing");
    }
}

static void try_and_confirm(int model)
{
    const char *why = "";
    check(slots_try(&world.slots, slots_find(&world.slots, world.sha256[model]), &why) == SERVICE_OK, why);
    world.confirming = model;
    check(slots_confirm(&world.slots, &why) == SERVICE_OK, why);
    world.confirmed = model;
}

/* The next model after the one that is confirmed; the first one, where none is. */
static void life_of_slots(void)
{
    start();
    int model = (world.confirmed + 1) % MODELS;
    upload(model);
    try_and_confirm(model);
    check(running() == model, "what was confirmed does not run");
}

/* After a cut: start, see what runs, and take the world's word for it. */
static void recover(void)
{
    check(!live(start, 0, 0), "there is power");
    int model = running();
    check(model >= 0 || world.confirmed < 0, "neither the old model nor the new one runs");
    check(model == world.confirmed || model == world.confirming, "another model runs than the confirmed one");
    check(!world.slots.trial && world.slots.active == world.slots.confirmed, "a trial outlived the cut");
    world.cuts++;
    world.old += model == world.confirmed;
    world.new_ones += model != world.confirmed;
    world.confirmed = world.confirming = model;
}

static void blank(const struct geometry *shape)
{
    world.shape = *shape;
    world.cut_at = world.seed = 0;
    world.boot = 0;
    ram_flash_start(&world.board, shape->program_bytes, shape->settings, shape->slots);
    world.before = ram_flash;
    for (int model = 0; model < MODELS; model++)
        make_plan(model, shape->plan_bytes - 8 * (uint32_t)model);
    world.confirmed = world.confirming = -1;
}

/* The next write to be cut, of so many: every stride-th, and each of the last ones, in which the settings are written. */
static uint64_t next_cut(uint64_t writes, uint64_t stride)
{
    return world.cut_at + (world.cut_at + stride + 64 < writes ? stride : 1);
}

/* Cut the writes of a life that follows on so many earlier ones, with that seed. */
static void cut_slots(const struct geometry *shape, unsigned lives, uint64_t stride, uint64_t seed)
{
    blank(shape);
    for (unsigned i = 0; i < lives; i++)
        check(!live(life_of_slots, 0, 0), "there is power");
    ram_flash_copy(&world.before, &ram_flash);
    int confirmed = world.confirmed;
    uint32_t boot = world.boot;
    world.seed = seed;
    check(!live(life_of_slots, 0, 0), "there is power");
    uint64_t writes = ram_flash.writes;
    for (world.cut_at = 1 + seed % stride; world.cut_at <= writes; world.cut_at = next_cut(writes, stride)) {
        ram_flash_copy(&ram_flash, &world.before);
        world.confirmed = world.confirming = confirmed;
        world.boot = boot;
        check(live(life_of_slots, world.cut_at, seed * 1000003 + world.cut_at), "the life is shorter than it was");
        recover();
        uint64_t again = world.cut_at ^ seed << 20;
        if (world.cut_at % 2 && live(life_of_slots, 1 + random_next(&again) % world.cut_at, again))
            recover();
        int before = world.confirmed;
        check(!live(life_of_slots, 0, 0), "there is power");
        check(world.confirmed == (before + 1) % MODELS, "the next model does not follow");
    }
}

/* The same flash through many lives, each cut anywhere. */
static void soak_slots(const struct geometry *shape, unsigned lives, uint64_t seed)
{
    uint64_t state = seed;
    blank(shape);
    world.seed = seed;
    uint64_t writes = shape->plan_bytes / shape->program_bytes + 300;
    for (unsigned i = 0; i < lives; i++) {
        world.cut_at = 1 + random_next(&state) % writes;
        if (random_next(&state) % 4 == 0) /* the last writes of a life are the interesting ones */
            world.cut_at = writes - 300 + random_next(&state) % 300;
        if (live(life_of_slots, world.cut_at, state))
            recover();
    }
}

/* ---- the life of the settings ---- */

#define SETTINGS_WRITES 30

static void life_of_settings(void)
{
    store_start(&world.store, &world.board);
    for (unsigned i = 0; i < SETTINGS_WRITES; i++) {
        struct settings settings = world.store.settings;
        settings.boot = world.writing = world.written + 1;
        memset(settings.sha256, (int)(settings.boot & 0xff), sizeof settings.sha256);
        check(store_write(&world.store, &settings) == 0, "the settings could not be written");
        world.written = world.writing;
    }
}

static void recover_settings(void)
{
    store_start(&world.store, &world.board);
    const struct settings *settings = &world.store.settings;
    check(settings->boot == world.written || settings->boot == world.writing, "neither the old settings nor the new ones");
    check(settings->boot == 0 || settings->sha256[31] == (uint8_t)settings->boot, "half of the settings");
    world.cuts++;
    world.old += settings->boot == world.written;
    world.new_ones += settings->boot != world.written;
    world.written = world.writing = settings->boot;
}

static void cut_settings(const struct geometry *shape, uint64_t stride, uint64_t seed)
{
    blank(shape);
    world.seed = seed;
    world.written = world.writing = 0;
    check(!live(life_of_settings, 0, 0), "there is power");
    uint64_t writes = ram_flash.writes;
    for (world.cut_at = 1 + seed % stride; world.cut_at <= writes; world.cut_at = next_cut(writes, stride)) {
        ram_flash_copy(&ram_flash, &world.before);
        world.written = world.writing = 0;
        check(live(life_of_settings, world.cut_at, seed * 1000003 + world.cut_at), "the life is shorter than it was");
        recover_settings();
        uint64_t again = world.cut_at ^ seed << 20;
        for (unsigned i = 0; i < world.cut_at % 4; i++)
            if (live(life_of_settings, 1 + random_next(&again) % world.cut_at, again))
                recover_settings();
        check(!live(life_of_settings, 0, 0), "there is power");
        recover_settings();
    }
}

/* ---- all of it ---- */

static void report(const char *what)
{
    const struct geometry *shape = &world.shape;
    const uint32_t *area = strcmp(what, "settings") == 0 ? shape->settings : shape->slots;
    printf("%-9s program %u, units of %6u: %7llu cuts, %7llu old, %6llu new\n", what, (unsigned)shape->program_bytes,
           (unsigned)area[1], (unsigned long long)world.cuts, (unsigned long long)world.old,
           (unsigned long long)world.new_ones);
    world.cuts = world.old = world.new_ones = 0;
}

static void try_geometry(const struct geometry *shape, int full)
{
    uint64_t seeds = 4, stride = full ? 1 : 97; /* so each cut is torn in each way: ram_flash_power takes the rest by 4 */
    for (uint64_t seed = 1; seed <= seeds; seed++)
        cut_settings(shape, stride, seed);
    check(world.new_ones > 0, "the new settings were never found: that cut was not tried");
    report("settings");
    for (uint64_t seed = 1; seed <= seeds; seed++)
        for (unsigned lives = 0; lives < (full ? 4 : 2); lives++)
            cut_slots(shape, lives, stride, seed);
    check(world.new_ones > 0, "the new model never ran: that cut was not tried");
    report("slots");
    for (uint64_t seed = 1; seed <= seeds; seed++)
        soak_slots(shape, full ? 3000 : 100, seed);
    report("soak");
}

int main(int argc, char **argv)
{
    static const struct geometry shapes[] = {
        {4, {4096, 4096}, {16384, 4096}, 9000, 1024},     /* nRF52840: pages of 4 kB, words */
        {4, {16384, 16384}, {131072, 131072}, 3000, 512}, /* STM32F405: sectors of 16 and 128 kB, words */
        {1, {512, 256}, {8192, 1024}, 3000, 100},         /* bytes; settings of ten records in two units */
        {2, {128, 64}, {8192, 2048}, 5000, 333},          /* settings of two records */
        {8, {48, 48}, {12288, 4096}, 12288, 1000},        /* settings of one record; a plan as large as the slot */
        {8, {131072, 131072}, {131072, 131072}, 4000, 7}, /* messages smaller than a piece */
        {4, {4096, 4096}, {16384, 512}, 6000, 1200},      /* units smaller than a message */
    };
    int full = argc > 1 && strcmp(argv[1], "full") == 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        try_geometry(&shapes[i], full);
    return 0;
}
