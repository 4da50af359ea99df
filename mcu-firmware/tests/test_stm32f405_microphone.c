/* The STM32F405's microphone driver over memory in the place of its registers: whatever the core is late by, up to the two
 * seconds of an erase, each sample is heard once and in order, or counted as missed, to the sample.
 *
 * QEMU has no DMA, so this is all that shows it before a chip does. A sample's number is its value. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../boards/stm32f405/microphone.c"

#define VALUES 4096u /* numbers are told apart modulo this, after the driver's gain of eight */
#define ROUNDS 20000

static uint64_t now_ns;
static uint64_t written;  /* samples, by the DMA */
static uint32_t interrupts; /* that are due and did not run yet */
static uint64_t taken, lost; /* as the reader counts */
static uint32_t seed = 1;

uint32_t time_us(void) { return (uint32_t)(now_ns / 1000 + 0xfff00000u); } /* it wraps during the test */
void time_due(void) {}

static uint32_t some(uint32_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 17;
    seed ^= seed << 5;
    return seed % below;
}

static void fail(const char *what)
{
    fprintf(stderr, "test_stm32f405_microphone: %s; %llu written, %llu taken, %llu lost\n", what,
            (unsigned long long)written, (unsigned long long)taken, (unsigned long long)lost);
    exit(1);
}

/* So many samples come: the DMA writes, round and round. */
static void come(uint32_t samples)
{
    for (uint32_t i = 0; i < samples; i++, written++) {
        uint32_t at = (uint32_t)(written % (2 * HALF));
        buffer[at / HALF][at % HALF][0] = (uint16_t)(written % VALUES);
        buffer[at / HALF][at % HALF][1] = 0;
        now_ns += 62500;
        DMA1->stream[3].ndtr = 2 * HALF * WORDS - (uint32_t)((written + 1) % (2 * HALF)) * WORDS;
        interrupts |= (written + 1) % HALF == 0;
    }
}

static void interrupt(void)
{
    if (interrupts)
        microphone_interrupt();
    interrupts = 0;
}

static void read_some(void)
{
    int16_t samples[300];
    uint32_t missed = 0;
    size_t count = hal_audio_read(samples, 1 + some(300), &missed);
    lost += missed;
    for (size_t i = 0; i < count; i++, taken++)
        if (samples[i] != (int16_t)((taken + lost) % VALUES * 8))
            fail("a sample is not where it should be");
    if (taken + lost > written)
        fail("more than came");
}

static void drain(void)
{
    come(HALF - (uint32_t)(written % HALF));
    interrupt();
    for (int i = 0; i < 5000; i++)
        read_some();
    if (taken + lost != written)
        fail("not all is accounted for");
}

static void lay(uint32_t address)
{
    int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *at = mmap((void *)(uintptr_t)address, 0x1000, PROT_READ | PROT_WRITE, how, -1, 0);
    if (at != (void *)(uintptr_t)address)
        fail("no memory where the registers are");
}

int main(void)
{
    for (size_t i = 0; i < 5; i++)
        lay((const uint32_t[]){0x40003000, 0x40020000, 0x40023000, 0x40026000, 0x40000000}[i]);
    struct clocks clocks = {.audio = 1};
    DMA1->stream[3].ndtr = 2 * HALF * WORDS;
    now_ns = 2000000; /* the driver sees the time a little after the first sample began: here as much as 2 ms */
    microphone_start(&clocks);
    now_ns = 0;
    if (SPI2->i2spr != 25 || SPI2->i2scfgr != 0xf03 || DMA1->stream[3].ndtr != 2 * HALF * WORDS)
        fail("it is set up otherwise");
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t late = some(1000) == 0 ? some(32000) : some(50) == 0 ? some(400) : some(HALF / 2);
        come(1 + late);
        interrupt();
        if (some(3) != 0)
            read_some();
        if (round % 1000 == 999)
            drain();
    }
    if (!hal_audio_present() || lost == 0 || taken < written / 2)
        fail("too much is missed, or nothing ever was");
    printf("microphone: %llu samples, %llu heard, %llu missed\n", (unsigned long long)written, (unsigned long long)taken,
           (unsigned long long)lost);
    return 0;
}
