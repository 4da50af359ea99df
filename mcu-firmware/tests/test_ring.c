/* The ring over resets: whatever moment a reset comes at, what was added before is there after it, in order and whole.
 *
 * A child adds and acknowledges as fast as it can in memory that outlives it, and is killed at some moment; then the ring
 * is started from what it left. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../app/ring.h"

#define KILLS 300
#define BYTES 1024 /* ten events */

struct shared {
    _Alignas(8) uint8_t noinit[BYTES];
    volatile uint32_t adding, added; /* numbers: what is being added, what is */
    volatile uint32_t acknowledging, acknowledged;
};

#define CHECK(what)                                                                \
    do {                                                                           \
        if (!(what)) {                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #what);     \
            exit(1);                                                               \
        }                                                                          \
    } while (0)

static struct ring_event event_of(uint32_t number)
{
    struct ring_event event = {.score = number * 3, .at = number * 1000ull, .label_bytes = 4, .label = "word"};
    return event;
}

static void hammer(struct shared *shared)
{
    struct ring ring;

    ring_start(&ring, shared->noinit, BYTES);
    for (;;) {
        struct ring_event event = event_of(ring.head.next);
        shared->adding = ring.head.next;
        ring_add(&ring, &event);
        shared->added = shared->adding;
        if (shared->added % 3 == 0) {
            shared->acknowledging = ring.head.first + 1;
            ring_acknowledge(&ring, shared->acknowledging);
            shared->acknowledged = shared->acknowledging;
        }
    }
}

/* What must be there: everything that was added and is neither acknowledged nor over the capacity. */
static void check(struct shared *shared)
{
    struct ring ring;
    uint32_t first, number;

    ring_start(&ring, shared->noinit, BYTES);
    CHECK(ring.dropped == 0);
    CHECK(ring.head.next == shared->adding || ring.head.next == shared->adding + 1);
    CHECK(ring.head.next > shared->added);
    first = ring.head.first;
    CHECK(first >= shared->acknowledged);
    if (first > shared->acknowledging)
        CHECK(ring.head.next - first >= ring.head.capacity - 2);
    CHECK(ring.recovered == ring.head.next - first);
    for (number = first; number < ring.head.next; number++) {
        const struct ring_event *event = ring_oldest(&ring);
        CHECK(event != NULL && event->number == number && event->score == number * 3 && event->at == number * 1000ull);
        ring_acknowledge(&ring, number + 1);
    }
    CHECK(ring_oldest(&ring) == NULL);
}

static void test_killed_anywhere(void)
{
    struct shared *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned seed = 1;

    CHECK(shared != MAP_FAILED);
    for (int kill_number = 0; kill_number < KILLS; kill_number++) {
        struct timespec moment = {.tv_nsec = 100000 + (long)(rand_r(&seed) % 1000000)};
        uint32_t before = shared->added;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            hammer(shared);
        while (shared->added == before)
            nanosleep(&moment, NULL);
        nanosleep(&moment, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        check(shared);
    }
    munmap(shared, sizeof *shared);
}

static void test_noise_is_no_ring(void)
{
    _Alignas(8) uint8_t noinit[BYTES];
    struct ring ring;
    unsigned seed = 2;

    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < BYTES; i++)
            noinit[i] = (uint8_t)(round == 0 ? 0 : round == 1 ? 0xff : rand_r(&seed));
        ring_start(&ring, noinit, BYTES);
        CHECK(ring.head.next == 1 && ring.head.first == 1 && ring.recovered == 0 && ring_oldest(&ring) == NULL);
    }
}

static void test_full_drops_the_oldest(void)
{
    _Alignas(8) uint8_t noinit[BYTES] = {0};
    struct ring ring;
    uint32_t capacity;

    ring_start(&ring, noinit, BYTES);
    capacity = ring.head.capacity;
    CHECK(capacity == 10);
    for (uint32_t number = 1; number <= capacity + 3; number++) {
        struct ring_event event = event_of(number);
        ring_add(&ring, &event);
    }
    CHECK(ring.dropped == 3 && ring_oldest(&ring)->number == 4);
    ring_acknowledge(&ring, 4);   /* gone already */
    ring_acknowledge(&ring, 100); /* was never given */
    CHECK(ring_oldest(&ring)->number == 4);
    ring_acknowledge(&ring, 14);
    CHECK(ring_oldest(&ring) == NULL && ring.head.next == 14);
}

static void test_what_was_dropped_on_its_way_and_arrived_was_not_lost(void)
{
    _Alignas(8) uint8_t noinit[BYTES] = {0};
    struct ring ring;

    ring_start(&ring, noinit, BYTES);
    for (uint32_t number = 1; number <= ring.head.capacity + 2; number++) {
        struct ring_event event = event_of(number);
        ring_add(&ring, &event);
    }
    CHECK(ring.dropped == 2 && ring_oldest(&ring)->number == 3);
    ring_arrived(&ring, 1);
    CHECK(ring.dropped == 1 && ring_oldest(&ring)->number == 3);
    ring_arrived(&ring, 3);
    CHECK(ring.dropped == 1 && ring_oldest(&ring)->number == 4);
}

static void test_a_flipped_bit_costs_one_event(void)
{
    _Alignas(8) uint8_t noinit[BYTES] = {0};
    struct ring ring;

    ring_start(&ring, noinit, BYTES);
    for (uint32_t number = 1; number <= 3; number++) {
        struct ring_event event = event_of(number);
        ring_add(&ring, &event);
    }
    ring.events[2].score ^= 1; /* number 2 */
    ring_start(&ring, noinit, BYTES);
    CHECK(ring_oldest(&ring)->number == 1);
    ring_acknowledge(&ring, 2);
    CHECK(ring_oldest(&ring)->number == 3 && ring.dropped == 1);
}

static void test_a_torn_head_is_mended_from_the_other(void)
{
    _Alignas(8) uint8_t noinit[BYTES] = {0};

    for (size_t head = 0; head < 2; head++) {
        struct ring ring;
        struct ring_event event = event_of(1);
        ring_start(&ring, noinit, BYTES);
        ring_add(&ring, &event);
        noinit[head * sizeof(struct ring_head) + 8] ^= 0x40;
        ring_start(&ring, noinit, BYTES);
        CHECK(ring.recovered == head + 1);
    }
}

int main(void)
{
    test_noise_is_no_ring();
    test_full_drops_the_oldest();
    test_what_was_dropped_on_its_way_and_arrived_was_not_lost();
    test_a_flipped_bit_costs_one_event();
    test_a_torn_head_is_mended_from_the_other();
    test_killed_anywhere();
    return 0;
}
