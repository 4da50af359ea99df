/* The reader is a machine of two states: where it is in a line, and what became of the frame.
 *
 *     line         on                 then
 *     TEXT         06, 04             FIRST_MARK, NEXT_MARK
 *     FIRST_MARK   09                 CHARS: a frame begins (one that was OPEN is lost)
 *     NEXT_MARK    14                 CHARS where the frame is OPEN; TEXT else: NONE is lost, LOST stays so
 *     either mark  06, 04             the mark of that byte
 *     either mark  anything else      TEXT
 *     CHARS        base64             CHARS, a quantum of four is decoded at once
 *     CHARS        CR                 RETURN
 *     CHARS RETURN LF                 TEXT: the line is done, and perhaps the frame
 *     CHARS RETURN 06, 04             the frame is lost, the mark of that byte
 *     CHARS RETURN anything else      the frame is lost, TEXT
 *
 * A frame is lost once: what follows of it is skipped without counting again. */
#include "framing.h"

#include <string.h>

#include "base64.h"
#include "crc16.h"

enum line { TEXT, FIRST_MARK, NEXT_MARK, CHARS, RETURN };
enum frame { NONE, OPEN, LOST };

enum { FIRST_0 = 0x06, FIRST_1 = 0x09, NEXT_0 = 0x04, NEXT_1 = 0x14 };

#define LENGTH_BYTES 2u
#define CRC_BYTES 2u

void framing_start(struct framing_reader *reader, uint8_t *buffer, size_t capacity)
{
    memset(reader, 0, sizeof *reader);
    reader->buffer = buffer;
    reader->capacity = capacity < FRAMING_MESSAGE_BYTES ? (uint32_t)capacity : FRAMING_MESSAGE_BYTES;
}

static void lose(struct framing_reader *reader)
{
    reader->bad++;
    reader->frame = LOST;
    reader->line = TEXT;
}

static void begin_line(struct framing_reader *reader)
{
    reader->line = CHARS;
    reader->line_chars = 0;
    reader->quantum_chars = 0;
    reader->padded = 0;
}

static void first_line(struct framing_reader *reader)
{
    if (reader->frame == OPEN)
        lose(reader);
    reader->frame = OPEN;
    reader->have = 0;
    reader->want = 0;
    reader->length_bytes = 0;
    reader->crc = 0;
    begin_line(reader);
}

static void next_line(struct framing_reader *reader)
{
    reader->line = TEXT;
    if (reader->frame == OPEN)
        begin_line(reader);
    else if (reader->frame == NONE)
        lose(reader);
}

/* One decoded byte; 0 when it has no place. */
static int take(struct framing_reader *reader, uint8_t byte)
{
    if (reader->length_bytes < LENGTH_BYTES) {
        reader->want = reader->want << 8 | byte;
        reader->length_bytes++;
        return reader->length_bytes < LENGTH_BYTES
               || (reader->want >= CRC_BYTES && reader->want - CRC_BYTES <= reader->capacity);
    }
    if (reader->have == reader->want)
        return 0;
    if (reader->have < reader->want - CRC_BYTES)
        reader->buffer[reader->have] = byte;
    reader->have++;
    reader->crc = crc16(reader->crc, &byte, 1);
    return 1;
}

/* One character of a line; 0 when it makes the frame none. */
static int take_char(struct framing_reader *reader, uint8_t character)
{
    uint8_t bytes[3];
    int count;

    if (reader->padded || reader->line_chars == FRAMING_LINE_CHARS)
        return 0;
    if (base64_value(character) < 0 && character != BASE64_PAD)
        return 0;
    reader->line_chars++;
    reader->quantum[reader->quantum_chars++] = character;
    if (reader->quantum_chars < 4)
        return 1;
    reader->quantum_chars = 0;
    reader->padded = character == BASE64_PAD;
    count = base64_decode(reader->quantum, bytes);
    for (int i = 0; i < count; i++)
        if (!take(reader, bytes[i]))
            return 0;
    return count > 0;
}

/* The newline. 1: the frame is complete and whole. */
static int end_line(struct framing_reader *reader)
{
    reader->line = TEXT;
    if (reader->quantum_chars > 0 || reader->length_bytes < LENGTH_BYTES) {
        lose(reader);
        return 0;
    }
    if (reader->have < reader->want)
        return 0;
    if (reader->crc != 0) {
        lose(reader);
        return 0;
    }
    reader->frame = NONE;
    return 1;
}

static void mark(struct framing_reader *reader, uint8_t byte)
{
    reader->line = byte == FIRST_0 ? FIRST_MARK : byte == NEXT_0 ? NEXT_MARK : TEXT;
}

/* A byte between marker and newline. */
static int in_line(struct framing_reader *reader, uint8_t byte)
{
    if (byte == '\n')
        return end_line(reader);
    if (reader->line == CHARS && byte == '\r') {
        reader->line = RETURN;
        return 0;
    }
    if (reader->line == RETURN || !take_char(reader, byte)) {
        lose(reader);
        mark(reader, byte);
    }
    return 0;
}

int framing_push(struct framing_reader *reader, uint8_t byte, size_t *bytes)
{
    *bytes = 0;
    if (reader->line == CHARS || reader->line == RETURN) {
        if (!in_line(reader, byte))
            return 0;
        *bytes = reader->want - CRC_BYTES;
        return 1;
    }
    if (reader->line == FIRST_MARK && byte == FIRST_1)
        first_line(reader);
    else if (reader->line == NEXT_MARK && byte == NEXT_1)
        next_line(reader);
    else
        mark(reader, byte);
    return 0;
}

/* Byte number `at` of what the lines carry: length, message, CRC. */
static uint8_t carried(const uint8_t *message, size_t bytes, uint16_t crc, size_t at)
{
    size_t length = bytes + CRC_BYTES;

    if (at < LENGTH_BYTES)
        return (uint8_t)(at == 0 ? length >> 8 : length);
    at -= LENGTH_BYTES;
    if (at < bytes)
        return message[at];
    return (uint8_t)(at == bytes ? crc >> 8 : crc);
}

size_t framing_line(const uint8_t *message, size_t bytes, size_t line, uint8_t *out)
{
    uint8_t raw[FRAMING_LINE_RAW];
    size_t all = LENGTH_BYTES + bytes + CRC_BYTES, at = line * FRAMING_LINE_RAW, count;
    uint16_t crc = 0;

    if (bytes > FRAMING_MESSAGE_BYTES || line > FRAMING_MESSAGE_BYTES || at >= all)
        return 0;
    count = all - at < FRAMING_LINE_RAW ? all - at : FRAMING_LINE_RAW;
    if (at + count > LENGTH_BYTES + bytes)
        crc = crc16(0, message, bytes);
    for (size_t i = 0; i < count; i++)
        raw[i] = carried(message, bytes, crc, at + i);
    out[0] = line == 0 ? FIRST_0 : NEXT_0;
    out[1] = line == 0 ? FIRST_1 : NEXT_1;
    count = base64_encode(raw, count, out + 2);
    out[2 + count] = '\n';
    return count + 3;
}
