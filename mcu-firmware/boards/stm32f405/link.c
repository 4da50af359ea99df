/* The link: USART1 on PA9 (out) and PA10 (in), the pins at which the chip's own boot loader listens too (AN2606), 8N1. RM 30.
 *
 * A byte comes every 10 us and waits in the receiver for as long: so its interrupt is the most urgent. What has no room in the
 * ring is dropped and counted, and so is what came while the core stood still for the flash. */
#include "board.h"
#include "regs.h"

#define IN_BYTES 4096u  /* powers of two; in: two of the largest messages, with their framing */
#define OUT_BYTES 1024u /* the application waits with the rest of a message until there is room */

static uint8_t in[IN_BYTES], out[OUT_BYTES];
static volatile uint32_t in_head, in_tail, out_head, out_tail; /* heads count what went in, tails what came out */
static volatile uint32_t in_lost;

uint32_t link_start(const struct clocks *clocks)
{
    uint32_t baud = clocks->core_hz >= 84000000 ? LINK_BAUD : LINK_BAUD_SLOW;
    RCC->ahb1enr |= RCC_AHB1_GPIOA;
    RCC->apb2enr |= RCC_APB2_USART1;
    /* PA9 and PA10: alternate function 7 (DS8626, alternate functions), fast; a pull-up keeps an open input quiet. */
    GPIOA->afr[1] = (GPIOA->afr[1] & ~0xff0u) | 0x770u;
    GPIOA->ospeedr |= 2u << 18;
    GPIOA->pupdr = (GPIOA->pupdr & ~(3u << 20)) | 1u << 20;
    GPIOA->moder = (GPIOA->moder & ~(0xfu << 18)) | 0xau << 18;
    USART1->brr = (clocks->usart_hz + baud / 2) / baud; /* RM 30.3.4: sixteenths, which are the divider's four low bits */
    USART1->cr1 = USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE;
    irq_on(IRQ_USART1, 0x00);
    return baud;
}

static void receive(uint32_t status)
{
    uint8_t byte = (uint8_t)USART1->dr; /* and with it the error flags are cleared: RM 30.6.1 */
    if (status & USART_SR_ORE)
        in_lost++;
    if (!(status & USART_SR_RXNE))
        return;
    if (in_head - in_tail == IN_BYTES) {
        in_lost++;
        return;
    }
    in[in_head % IN_BYTES] = byte;
    in_head++;
    time_due();
}

/* Give the transmitter what it takes; with interrupts held back, or from the interrupt itself. */
static void transmit(void)
{
    while (out_head != out_tail && USART1->sr & USART_SR_TXE) {
        USART1->dr = out[out_tail % OUT_BYTES];
        out_tail++;
    }
    if (out_head != out_tail) {
        USART1->cr1 |= USART_CR1_TXEIE;
        return;
    }
    if (USART1->cr1 & USART_CR1_TXEIE) {
        USART1->cr1 &= ~(uint32_t)USART_CR1_TXEIE;
        time_due();
    }
}

void link_interrupt(void)
{
    uint32_t status;
    while ((status = USART1->sr) & (USART_SR_RXNE | USART_SR_ORE))
        receive(status);
    transmit();
}

size_t hal_link_read(uint8_t *to, size_t size, uint32_t *lost)
{
    uint32_t was = irq_hold();
    *lost += in_lost;
    in_lost = 0;
    irq_restore(was);
    size_t have = in_head - in_tail, count = size < have ? size : have;
    for (size_t i = 0; i < count; i++)
        to[i] = in[(in_tail + i) % IN_BYTES];
    in_tail += (uint32_t)count;
    return count;
}

size_t hal_link_write(const uint8_t *from, size_t size)
{
    size_t room = OUT_BYTES - (out_head - out_tail), count = size < room ? size : room;
    for (size_t i = 0; i < count; i++)
        out[(out_head + i) % OUT_BYTES] = from[i];
    uint32_t was = irq_hold();
    out_head += (uint32_t)count;
    transmit();
    irq_restore(was);
    return count;
}

int hal_link_idle(void) { return out_head == out_tail && USART1->sr & USART_SR_TC; }
