#include "ring.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "../nn/plan.h"

#define RING_MAGIC 0x31474e52u /* "RNG1": the layout below; another layout, another number */

/* A checksum that zeros do not have, so that an erased or cleared RAM is never taken for a record. */
static uint32_t sealed(const void *bytes, size_t size)
{
    return plan_crc32(RING_MAGIC, bytes, size);
}

static uint32_t head_crc(const struct ring_head *head)
{
    return sealed(head, offsetof(struct ring_head, crc));
}

static uint32_t event_crc(const struct ring_event *event)
{
    struct ring_event copy = *event;
    copy.crc = 0;
    return sealed(&copy, sizeof copy);
}

/* Write the head down: first one copy, then the other. The fences keep the compiler from moving an event's writing past
 * it; the core itself sees its own writes in order, and so does whoever comes after the reset. */
static void keep(struct ring *ring)
{
    ring->head.crc = head_crc(&ring->head);
    for (int copy = 0; copy < 2; copy++) {
        atomic_signal_fence(memory_order_seq_cst);
        ring->kept[copy].magic = ring->head.magic;
        ring->kept[copy].capacity = ring->head.capacity;
        ring->kept[copy].next = ring->head.next;
        ring->kept[copy].first = ring->head.first;
        ring->kept[copy].crc = ring->head.crc;
    }
    atomic_signal_fence(memory_order_seq_cst);
}

static int head_fits(const struct ring_head *head, uint32_t capacity)
{
    return head->magic == RING_MAGIC && head->crc == head_crc(head) && head->capacity == capacity && head->first > 0
           && head->next >= head->first && head->next - head->first <= capacity;
}

static struct ring_event *place(const struct ring *ring, uint32_t number)
{
    return &ring->events[number % ring->head.capacity];
}

static int damaged(const struct ring *ring, uint32_t number)
{
    const struct ring_event *event = place(ring, number);
    return event->number != number || event->crc != event_crc(event) || event->label_bytes > RING_LABEL_BYTES;
}

/* An event that is not what was written can only be counted. */
static void skip_damaged(struct ring *ring)
{
    uint32_t first = ring->head.first;
    while (ring->head.first != ring->head.next && damaged(ring, ring->head.first)) {
        ring->head.first++;
        ring->dropped++;
    }
    if (ring->head.first != first)
        keep(ring);
}

void ring_start(struct ring *ring, void *noinit, uint32_t bytes)
{
    uint32_t heads = 2 * (uint32_t)sizeof(struct ring_head);
    uint32_t capacity = (bytes - heads) / (uint32_t)sizeof(struct ring_event);

    memset(ring, 0, sizeof *ring);
    ring->kept = noinit;
    ring->events = (struct ring_event *)(void *)((uint8_t *)noinit + heads);
    for (int copy = 0; copy < 2; copy++) {
        memcpy(&ring->head, (uint8_t *)noinit + (size_t)copy * sizeof ring->head, sizeof ring->head);
        if (head_fits(&ring->head, capacity)) {
            keep(ring); /* the other copy may be torn, or older */
            skip_damaged(ring);
            ring->recovered = ring->head.next - ring->head.first;
            return;
        }
    }
    ring->head = (struct ring_head){.magic = RING_MAGIC, .capacity = capacity, .next = 1, .first = 1};
    keep(ring);
}

void ring_add(struct ring *ring, const struct ring_event *event)
{
    struct ring_event *to = place(ring, ring->head.next);

    if (ring->head.next - ring->head.first == ring->head.capacity) {
        ring->head.first++;
        ring->dropped++;
        keep(ring);
        skip_damaged(ring);
    }
    *to = *event;
    to->number = ring->head.next;
    to->crc = event_crc(to);
    ring->head.next++;
    keep(ring);
}

const struct ring_event *ring_oldest(const struct ring *ring)
{
    return ring->head.first == ring->head.next ? NULL : place(ring, ring->head.first);
}

void ring_acknowledge(struct ring *ring, uint32_t number)
{
    if (number <= ring->head.first || number > ring->head.next)
        return;
    ring->head.first = number;
    keep(ring);
    skip_damaged(ring);
}

void ring_arrived(struct ring *ring, uint32_t number)
{
    if (number >= ring->head.first)
        ring_acknowledge(ring, number + 1);
    else if (ring->dropped > 0)
        ring->dropped--;
}
