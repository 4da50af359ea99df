/* Invariant: any samples, in any pieces, give the frames that the same samples give in one; nothing is read or written
 * outside, nothing overflows, and after a reset the front end is as new. */
#include <stdlib.h>
#include <string.h>

#include "../frontend/frontend.h"

#define FRAMES 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Push, by pieces that `piece` names (0: all at once). Samples and features lie in blocks of exactly their size, so that
 * the address sanitizer sees every byte beyond. Gives the number of frames. */
static size_t hear(struct frontend *frontend, const int16_t *samples, size_t count, uint8_t piece,
                   uint16_t frames[FRAMES][FRONTEND_CHANNELS])
{
    size_t at = 0, made = 0;
    while (at < count) {
        size_t offered = piece == 0 ? count - at : 1 + (piece * (at + 7)) % 400;
        if (offered > count - at) {
            offered = count - at;
        }
        int16_t *here = malloc(offered * sizeof *here);
        memcpy(here, samples + at, offered * sizeof *here);
        int complete = -1;
        size_t taken = frontend_push(frontend, here, offered, frames[made], &complete);
        free(here);
        if (taken > offered || taken == 0 || (complete != 0 && complete != 1) || (taken < offered && !complete)) {
            abort();
        }
        at += taken;
        made += (size_t)complete;
    }
    return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) {
        return 0;
    }
    size_t count = (size - 1) / 2;
    if (count > FRAMES * FRONTEND_STEP) {
        count = FRAMES * FRONTEND_STEP;
    }
    int16_t *samples = malloc(count * sizeof *samples);
    memcpy(samples, data + 1, count * sizeof *samples);
    static uint16_t once[FRAMES][FRONTEND_CHANNELS], again[FRAMES][FRONTEND_CHANNELS];
    struct frontend *frontend = malloc(sizeof *frontend);
    frontend_reset(frontend);
    size_t frames = hear(frontend, samples, count, 0, once);
    frontend_reset(frontend);
    if (hear(frontend, samples, count, data[0], again) != frames || memcmp(once, again, frames * sizeof *once) != 0) {
        abort();
    }
    free(frontend);
    free(samples);
    return 0;
}
