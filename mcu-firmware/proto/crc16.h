/* CRC-16/XMODEM: polynomial 0x1021, from 0, not reflected, nothing added at the end. Over a message and its CRC it is 0. */
#ifndef EDGED_CRC16_H
#define EDGED_CRC16_H

#include <stddef.h>
#include <stdint.h>

/* Go on with `crc` (0 at the beginning) over some bytes. */
uint16_t crc16(uint16_t crc, const uint8_t *bytes, size_t size);

#endif
