/* The microphone: a WAV that the world plays, whether the board listens or not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define RATE_HZ 16000
#define BUFFER_SAMPLES 4096 /* 256 ms wait to be read; of what is older, the oldest is lost */
#define WAV_BYTES_MAX (1l << 30)
#define WAY_OUT "Give a WAV of 16 kHz, mono, 16 bits (sox FILE -r 16000 -c 1 -b 16 OUT.wav)"

static struct {
    int present;
    int16_t *samples;
    uint64_t count;
    uint64_t at; /* of the world's samples, the next to be read */
} self;

static uint32_t u32_at(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    long length;

    if (file == NULL)
        host_refuse(path, strerror(errno), WAY_OUT);
    if (fseek(file, 0, SEEK_END) < 0 || (length = ftell(file)) < 0 || length > WAV_BYTES_MAX)
        host_refuse(path, "is no file of a reasonable size", WAY_OUT);
    rewind(file);
    *size = (size_t)length;
    bytes = malloc(*size + 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size)
        host_refuse(path, "cannot be read", WAY_OUT);
    fclose(file);
    return bytes;
}

static void check_format(const char *path, const uint8_t *chunk, uint32_t bytes)
{
    /* u16 format (1: PCM), u16 channels, u32 rate, u32, u16, u16 bits */
    int pcm = bytes >= 16 && (chunk[0] | chunk[1] << 8) == 1;

    if (!pcm || (chunk[2] | chunk[3] << 8) != 1 || u32_at(chunk + 4) != RATE_HZ || (chunk[14] | chunk[15] << 8) != 16)
        host_refuse(path, "is of another format", WAY_OUT);
}

static void take_samples(const char *path, const uint8_t *bytes, size_t count)
{
    self.count = count;
    self.samples = malloc(2 * count + 1);
    if (self.samples == NULL)
        host_refuse(path, "is too large", WAY_OUT);
    for (size_t i = 0; i < count; i++)
        self.samples[i] = (int16_t)(uint16_t)(bytes[2 * i] | bytes[2 * i + 1] << 8);
}

static void read_wav(const char *path)
{
    size_t size, at = 12;
    uint8_t *bytes = read_file(path, &size);
    int format = 0;

    if (size < 12 || memcmp(bytes, "RIFF", 4) != 0 || memcmp(bytes + 8, "WAVE", 4) != 0)
        host_refuse(path, "is no WAV", WAY_OUT);
    while (at + 8 <= size) {
        uint32_t chunk = u32_at(bytes + at + 4);
        size_t left = size - at - 8;
        if (memcmp(bytes + at, "fmt ", 4) == 0) {
            check_format(path, bytes + at + 8, chunk < left ? chunk : (uint32_t)left);
            format = 1;
        } else if (memcmp(bytes + at, "data", 4) == 0 && format) {
            take_samples(path, bytes + at + 8, (chunk < left ? chunk : left) / 2);
            free(bytes);
            return;
        }
        if (chunk > left)
            break;
        at += 8 + (size_t)chunk + (chunk & 1);
    }
    host_refuse(path, "has no samples", WAY_OUT);
}

static uint64_t heard_by_now(void)
{
    return time_world_micros() * (RATE_HZ / 1000) / 1000;
}

void microphone_begin(const struct host_options *options)
{
    self.present = options->wav != NULL || options->silence;
    if (options->wav != NULL)
        read_wav(options->wav);
    self.at = heard_by_now();
}

int hal_audio_present(void)
{
    return self.present;
}

size_t hal_audio_read(int16_t *to, size_t count, uint32_t *missed)
{
    uint64_t due = heard_by_now();

    if (!self.present)
        return 0;
    if (due - self.at > BUFFER_SAMPLES) {
        *missed += (uint32_t)(due - self.at - BUFFER_SAMPLES);
        self.at = due - BUFFER_SAMPLES;
    }
    if (count > due - self.at)
        count = (size_t)(due - self.at);
    for (size_t i = 0; i < count; i++, self.at++)
        to[i] = self.at < self.count ? self.samples[self.at] : 0;
    return count;
}
