/* The tape against a plain model of it: each sample is what was heard under its number, on end, and nothing newer is lost
 * than must be. Gaps of every length, pieces of every length, readers that are early, late, and in step. */
#include <stdio.h>
#include <stdlib.h>

#include "../app/tape.h"

#define CHECK(is) \
    do { \
        if (!(is)) { \
            printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #is); \
            exit(1); \
        } \
    } while (0)

static struct tape tape;
static uint64_t next; /* the number of the next sample */
static uint64_t mood = 1;

static uint32_t any(uint32_t below)
{
    mood = mood * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((mood >> 33) % below);
}

static int16_t sample(uint64_t number)
{
    return (int16_t)(uint16_t)(number * 40503u >> 3);
}


static void hear(uint32_t missed, uint32_t count)
{
    static int16_t samples[3 * TAPE_SAMPLES];

    next += missed;
    for (uint32_t i = 0; i < count; i++)
        samples[i] = sample(next + i);
    tape_push(&tape, next, samples, count);
    next += count;
}

/* Read on from `at`; gives where it goes on. What it skips is what the tape cannot have. */
static uint64_t check_read(uint64_t at, uint32_t count)
{
    static uint8_t bytes[2 * TAPE_SAMPLES + 2];
    uint64_t from = at;
    size_t got = tape_read(&tape, &from, bytes, count);

    CHECK(got <= count && from >= at && from + got <= (at > next ? at : next));
    for (size_t i = 0; i < got; i++) {
        int16_t expected = sample(from + i);
        CHECK((uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8) == (uint16_t)expected);
    }
    return from + got;
}

static void test_a_reader_in_step_misses_nothing(void)
{
    uint64_t at = 100;

    next = 100;
    tape_start(&tape, next);
    for (int i = 0; i < 5000; i++) {
        hear(0, any(TAPE_SAMPLES / 2));
        while (at < next) {
            uint64_t on = check_read(at, 1 + any(700));
            CHECK(on > at);
            at = on;
        }
        CHECK(check_read(at, 10) == at);
    }
}

static void test_what_is_kept_is_the_last(void)
{
    uint64_t at;

    next = 0;
    tape_start(&tape, 0);
    hear(0, 3 * TAPE_SAMPLES);
    at = 0;
    CHECK(tape_read(&tape, &at, NULL, 0) == 0 && at == 2 * TAPE_SAMPLES);
    CHECK(check_read(0, TAPE_SAMPLES) == next);
}

static void test_a_hole_shows(void)
{
    uint64_t at;

    next = 0;
    tape_start(&tape, 0);
    hear(0, 100);
    hear(50, 100);
    CHECK(check_read(0, 1000) == 100);
    at = 100;
    CHECK(tape_read(&tape, &at, NULL, 0) == 0 && at == 150);
    CHECK(check_read(100, 1000) == 250);
    hear(7, 10); /* the second: what is before the first goes */
    at = 0;
    CHECK(tape_read(&tape, &at, NULL, 0) == 0 && at == 150);
    CHECK(check_read(150, 1000) == 250);
    CHECK(check_read(250, 1000) == next);
    hear(10 * TAPE_SAMPLES, 5);
    CHECK(check_read(0, 1000) == next && tape.first == next - 5);
}

static void test_any_course(void)
{
    uint64_t at = 0;

    next = 0;
    tape_start(&tape, 0);
    for (int i = 0; i < 40000; i++) {
        if (any(3) == 0)
            at = check_read(any(20) == 0 ? next + any(3) : at, 1 + any(TAPE_SAMPLES));
        else
            hear(any(8) == 0 ? any(any(2) == 0 ? 20 : 2 * TAPE_SAMPLES) : 0, any(any(20) == 0 ? 2 * TAPE_SAMPLES : 400));
        CHECK(tape.next == next && tape.first <= next && next - tape.first <= TAPE_SAMPLES);
        if (any(5000) == 0) {
            next = any(1000);
            tape_push(&tape, next, NULL, 0); /* another clock */
            at = 0;
        }
    }
}

int main(void)
{
    test_a_reader_in_step_misses_nothing();
    test_what_is_kept_is_the_last();
    test_a_hole_shows();
    test_any_course();
    return 0;
}
