#include "crc16.h"

/* The remainders of the sixteen values of four bits: a table of 32 bytes is fast enough for 1 Mbaud. */
static const uint16_t nibbles[16] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
};

static uint16_t four_bits(uint16_t crc, unsigned value)
{
    return (uint16_t)((unsigned)(crc << 4) ^ nibbles[((unsigned)crc >> 12) ^ value]);
}

uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        crc = four_bits(crc, bytes[i] >> 4);
        crc = four_bits(crc, bytes[i] & 0x0fu);
    }
    return crc;
}
