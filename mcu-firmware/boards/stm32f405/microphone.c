/* A digital microphone (INMP441 and its like) at I2S2, 16 kHz: clock PB13, word select PB12, data PB15, its L/R pin at ground.
 *
 * SPI2 is the master and only receives; 32 bits a channel, of which the microphone fills the upper 24, left channel first (RM
 * 28.4.3). DMA1's stream 3 writes them round and round into two halves, and says so at the end of each. The core may be
 * standing still then, for up to two seconds of an erase; so the halves that went by are counted by TIM2, which hangs on the
 * same clock (its figure and the I2S's are in exact ratio), and by where the DMA now writes: what was overwritten is missed, to
 * the sample. In QEMU no DMA runs, and there is no microphone. */
#include "board.h"
#include "regs.h"

#define HALF 128u                    /* samples in half of the DMA's buffer: 8 ms */
#define HALF_US (HALF * 1000000u / 16000u)
#define WORDS 4u                     /* of 16 bits in a sample: both channels, 32 bits each */
#define HEARD 4096u                  /* samples that wait for the loop: 256 ms; a power of two */
#define GAIN_BITS 3                  /* 18 dB: speech at a metre is 60 dB SPL, and an INMP441 is full at 120 */

static uint16_t buffer[2][HALF][WORDS];
static int16_t heard[HEARD];
static volatile uint32_t head, tail; /* of heard */
static volatile uint32_t gap, gap_at; /* so many samples were missed, before the one that was number gap_at */
static volatile int present;
static uint32_t counted_us, halves;   /* when the last half that was counted ended; how many were */
static uint16_t first_word;

void microphone_start(const struct clocks *clocks)
{
    if (!clocks->audio)
        return;
    RCC->ahb1enr |= RCC_AHB1_GPIOB | RCC_AHB1_DMA1;
    RCC->apb1enr |= RCC_APB1_SPI2;
    /* PB12, PB13, PB15: alternate function 5 (DS8626). A pull-down: where no microphone is, all bits are 0. */
    GPIOB->afr[1] = (GPIOB->afr[1] & ~0xf0ff0000u) | 0x50550000u;
    GPIOB->pupdr = (GPIOB->pupdr & ~(3u << 30)) | 2u << 30;
    GPIOB->moder = (GPIOB->moder & ~(0xcfu << 24)) | 0x8au << 24;
    struct regs_dma_stream *stream = &DMA1->stream[3];
    DMA1->lifcr = DMA_LISR_STREAM3;
    stream->par = (uint32_t)(uintptr_t)&SPI2->dr;
    stream->m0ar = (uint32_t)(uintptr_t)buffer;
    stream->ndtr = 2 * HALF * WORDS;
    stream->cr = DMA_CR_PL_HIGH | DMA_CR_MSIZE_16 | DMA_CR_PSIZE_16 | DMA_CR_MINC | DMA_CR_CIRC | DMA_CR_TCIE | DMA_CR_HTIE;
    stream->cr |= DMA_CR_EN;
    /* 51.2 MHz / (2 × 32 bits × 2 × 25) = 16 kHz: RM 28.4.4. */
    SPI2->i2spr = 25;
    SPI2->cr2 = SPI_CR2_RXDMAEN;
    SPI2->i2scfgr = I2S_CFGR_MOD | I2S_CFGR_MASTER_RX | I2S_CFGR_DATLEN_24 | I2S_CFGR_CHLEN_32;
    irq_on(IRQ_DMA1_STREAM3, 0x80);
    SPI2->i2scfgr |= I2S_CFGR_E;
    counted_us = time_us();
}

/* How many halves ended since the last that was counted: the number nearest to the time that fits where the DMA writes. */
static uint32_t halves_ended(void)
{
    uint32_t writing = (2 * HALF * WORDS - DMA1->stream[3].ndtr) / (HALF * WORDS) & 1;
    uint32_t since_us = time_us() - counted_us, ended = since_us / HALF_US;
    if (((halves + ended) & 1) == writing)
        return ended;
    return ended > 0 && since_us % HALF_US < HALF_US / 2 ? ended - 1 : ended + 1;
}

static int16_t sample_of(const uint16_t words[WORDS])
{
    int32_t whole = (int32_t)((uint32_t)words[0] << 16 | words[1]) >> (16 - GAIN_BITS);
    return (int16_t)(whole > INT16_MAX ? INT16_MAX : whole < INT16_MIN ? INT16_MIN : whole);
}

/* Samples are lost before the next one; what was heard after an earlier loss that nobody took notice of yet is lost too. */
static void miss(uint32_t samples)
{
    if (gap != 0) {
        samples += head - gap_at;
        head = gap_at;
    }
    gap += samples;
    gap_at = head;
}

static void take(const uint16_t (*half)[WORDS])
{
    if (HEARD - (head - tail) < HALF) {
        miss(HALF);
        return;
    }
    for (uint32_t i = 0; i < HALF; i++) {
        heard[(head + i) % HEARD] = sample_of(half[i]);
        present |= half[i][0] != first_word;
    }
    head += HALF;
}

void microphone_interrupt(void)
{
    DMA1->lifcr = DMA_LISR_STREAM3;
    uint32_t ended = halves_ended();
    if (ended == 0)
        return;
    if (halves == 0)
        first_word = buffer[0][0][0];
    halves += ended;
    counted_us += ended * HALF_US;
    if (ended > 1)
        miss((ended - 1) * HALF);
    take(buffer[(halves - 1) & 1]);
    time_due();
}

size_t hal_audio_read(int16_t *to, size_t count, uint32_t *missed)
{
    uint32_t was = irq_hold();
    if (gap != 0 && gap_at == tail) {
        *missed += gap;
        gap = 0;
    }
    size_t have = (gap != 0 ? gap_at : head) - tail;
    irq_restore(was);
    count = count < have ? count : have;
    for (size_t i = 0; i < count; i++)
        to[i] = heard[(tail + i) % HEARD];
    tail += (uint32_t)count;
    return present ? count : 0;
}

/* A microphone hisses; an open pin does not. */
int hal_audio_present(void) { return present; }
