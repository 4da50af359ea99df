/* SMP's console framing: a message as base64 lines of at most 127 bytes, between which there may be text. Sans-IO.
 *
 *     06 09 base64(u16 length of body and crc, body …) 0A,   04 14 base64(…) 0A …,   crc is CRC-16/XMODEM of the body
 *
 * Zephyr's doc/services/device_mgmt/smp_transport.rst is the specification. The twin in Python is edged/mcu/framing.py: for
 * any bytes whatever both find the same messages and count the same losses. */
#ifndef EDGED_FRAMING_H
#define EDGED_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#define FRAMING_LINE_BYTES 127
#define FRAMING_LINE_CHARS 124 /* of base64: the line without its marker and its newline, in whole quanta of 4 */
#define FRAMING_LINE_RAW 93    /* bytes that they carry */
#define FRAMING_MESSAGE_BYTES 65533 /* the length is 16 bits and counts the CRC */

struct framing_reader {
    uint8_t *buffer;    /* the caller's; a message that does not fit is dropped and counted */
    uint32_t capacity;
    uint32_t have, want; /* bytes of body and CRC, of the frame that is under way */
    uint32_t bad;       /* frames lost: torn, not base64, of a wrong checksum, too long. One frame counts once */
    uint16_t crc;
    uint8_t length_bytes;
    uint8_t quantum[4];
    uint8_t quantum_chars, line_chars, padded;
    uint8_t line, frame; /* states, see framing.c */
};

/* The buffer is the caller's and must outlive the reader; capacity is that of a message, without CRC. */
void framing_start(struct framing_reader *reader, uint8_t *buffer, size_t capacity);

/* Take one byte. 1: a message of *bytes stands at the beginning of the buffer until the next call. 0: not yet. */
int framing_push(struct framing_reader *reader, uint8_t byte, size_t *bytes);

/* Write line number `line` (from 0) of a message, newline included, into out[FRAMING_LINE_BYTES]; gives its bytes, 0 when
 * there is no such line. */
size_t framing_line(const uint8_t *message, size_t bytes, size_t line, uint8_t *out);

#endif
