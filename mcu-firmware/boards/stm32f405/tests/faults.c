/* The board with this instead of the application, for tests in QEMU: it says why it began, and faults in the way it is asked
 * to by one letter. */
#include "../board.h"

static volatile uint32_t depth;

static void say(const char *text)
{
    while (*text)
        text += hal_link_write((const uint8_t *)text, 1);
}

static void say_number(uint32_t number)
{
    if (number >= 10)
        say_number(number / 10);
    say((const char[]){(char)('0' + number % 10), 0});
}

/* More stack than there is, a little at a time. */
static uint32_t deeper(uint32_t from)
{
    volatile uint32_t frame[16];
    frame[from % 16] = ++depth;
    return deeper(from + 1) + frame[(from + depth) % 16];
}

static void fault_by(uint8_t letter)
{
    switch (letter) {
    case 'j':
        ((void (*)(void))(uintptr_t)0x30000001)();
        break;
    case 'l':
        (void)*(volatile uint32_t *)(uintptr_t)0x60000000;
        break;
    case 's':
        depth = deeper(depth);
        break;
    case 'u':
        __asm volatile("udf #0");
        break;
    case 'r':
        hal_reset();
    default:
        break;
    }
}

int main(void)
{
    hal_start();
    say("reset ");
    say_number(hal_reset_reason());
    say(" exception ");
    say_number(last_words.exception);
    say(last_words.pc >= 0x08000000 && last_words.pc < 0x08020000 ? " in flash\n" : " nowhere\n");
    for (;;) {
        uint8_t letter;
        uint32_t lost = 0;
        if (hal_link_read(&letter, 1, &lost) != 0)
            fault_by(letter);
        hal_feed_watchdog();
        hal_sleep();
    }
}
