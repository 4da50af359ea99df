#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const uint8_t *bytes, size_t size, uint8_t *out)
{
    size_t chars = 0;

    for (size_t at = 0; at < size; at += 3, chars += 4) {
        size_t left = size - at;
        uint32_t bits = (uint32_t)bytes[at] << 16;

        if (left > 1)
            bits |= (uint32_t)bytes[at + 1] << 8;
        if (left > 2)
            bits |= bytes[at + 2];
        out[chars] = (uint8_t)alphabet[bits >> 18];
        out[chars + 1] = (uint8_t)alphabet[bits >> 12 & 63];
        out[chars + 2] = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : BASE64_PAD;
        out[chars + 3] = left > 2 ? (uint8_t)alphabet[bits & 63] : BASE64_PAD;
    }
    return chars;
}

int base64_value(uint8_t character)
{
    if (character >= 'A' && character <= 'Z')
        return character - 'A';
    if (character >= 'a' && character <= 'z')
        return character - 'a' + 26;
    if (character >= '0' && character <= '9')
        return character - '0' + 52;
    if (character == '+')
        return 62;
    return character == '/' ? 63 : -1;
}

int base64_decode(const uint8_t characters[4], uint8_t out[3])
{
    int bytes = characters[3] != BASE64_PAD ? 3 : characters[2] != BASE64_PAD ? 2 : 1;
    uint32_t bits = 0;

    for (int i = 0; i < 4; i++) {
        int value = i <= bytes ? base64_value(characters[i]) : 0;

        if (value < 0)
            return -1;
        bits = bits << 6 | (uint32_t)value;
    }
    for (int i = 0; i < bytes; i++)
        out[i] = (uint8_t)(bits >> (16 - 8 * i));
    return bytes;
}
