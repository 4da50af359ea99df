/* Base64 (RFC 4648, section 4), quantum by quantum. */
#ifndef EDGED_BASE64_H
#define EDGED_BASE64_H

#include <stddef.h>
#include <stdint.h>

#define BASE64_PAD '='

/* Encode, with padding, into out[4 * ((size + 2) / 3)]; gives the number of characters. */
size_t base64_encode(const uint8_t *bytes, size_t size, uint8_t *out);

/* What a character of the alphabet stands for, 0 … 63; -1: it is not in the alphabet (the padding is not). */
int base64_value(uint8_t character);

/* Decode four characters, the last one or two of which may be padding. Gives 3, 2 or 1 bytes; -1: not base64, and out is as
 * it was. Bits that the padding leaves over are ignored, as Python's decoder does. */
int base64_decode(const uint8_t characters[4], uint8_t out[3]);

#endif
