#include "tape.h"

void tape_start(struct tape *tape, uint64_t next)
{
    tape->first = tape->next = tape->hole = tape->hole_end = next;
}

/* What is kept begins after the hole, or nowhere before it. */
static void close_hole(struct tape *tape)
{
    if (tape->first >= tape->hole && tape->first < tape->hole_end)
        tape->first = tape->hole_end;
    if (tape->first >= tape->hole_end)
        tape->hole = tape->hole_end;
}

static void leave_out(struct tape *tape, uint64_t until)
{
    if (tape->hole != tape->hole_end)
        tape->first = tape->hole_end;
    tape->hole = tape->next;
    tape->hole_end = until;
    tape->next = until;
    close_hole(tape);
}

void tape_push(struct tape *tape, uint64_t at, const int16_t *samples, size_t count)
{
    size_t place;

    if (at < tape->next)
        tape_start(tape, at);
    else if (at > tape->next)
        leave_out(tape, at);
    place = (size_t)(at % TAPE_SAMPLES);
    for (size_t i = 0; i < count; i++) {
        tape->samples[place] = samples[i];
        place = place + 1 == TAPE_SAMPLES ? 0 : place + 1;
    }
    tape->next += count;
    if (tape->next - tape->first > TAPE_SAMPLES)
        tape->first = tape->next - TAPE_SAMPLES;
    close_hole(tape);
}

size_t tape_read(const struct tape *tape, uint64_t *at, uint8_t *to, size_t count)
{
    uint64_t begin = *at > tape->first ? *at : tape->first, end = tape->next;
    size_t place;

    if (begin >= tape->hole && begin < tape->hole_end)
        begin = tape->hole_end;
    if (begin < tape->hole)
        end = tape->hole;
    *at = begin;
    if (begin >= end)
        return 0;
    if (count > end - begin)
        count = (size_t)(end - begin);
    place = (size_t)(begin % TAPE_SAMPLES);
    for (size_t i = 0; i < count; i++) {
        to[2 * i] = (uint8_t)(uint16_t)tape->samples[place];
        to[2 * i + 1] = (uint8_t)((uint16_t)tape->samples[place] >> 8);
        place = place + 1 == TAPE_SAMPLES ? 0 : place + 1;
    }
    return count;
}
