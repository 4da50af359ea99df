/* For tests of the protocol in C: a request of every kind, in the encodings that a peer may choose, and harm done to it. */
#ifndef EDGED_PROTO_REQUESTS_H
#define EDGED_PROTO_REQUESTS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PROTO_SHA "0123456789abcdef0123456789abcdef"
#define PROTO_BYTES(text) {sizeof(text) - 1, (const uint8_t *)(text)}
#define PROTO_REQUESTS 23

struct proto_request {
    size_t size;
    const uint8_t *bytes;
};

/* Header, in which the length is not filled in, and body. */
static const struct proto_request proto_requests[PROTO_REQUESTS] = {
    PROTO_BYTES("\x08\0\0\0\0\x41\x01\0\xa0"),                                              /* hello */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x02\x01\xa2\x65lease\x19\x23\x28\x64" "from\x03"),        /* subscribe */
    PROTO_BYTES("\x0b\0\0\0\0\x41\x03\x02\xa0"),                                            /* an event's answer */
    PROTO_BYTES("\x0b\0\0\0\0\x41\x03\x02\xbf\x63" "err\xbf\x65group\x18\x41\x62rc\x05\xff\xff"),
    PROTO_BYTES("\x08\0\0\0\0\x41\x04\x03\xbf\xff"),                                        /* heartbeat */
    PROTO_BYTES("\x08\0\0\0\0\x41\x05\x04"),                                                /* slots */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x06\x05\xa4\x63off\x00\x64" "data\x43" "abc\x63len\x03\x63sha\x58\x20" PROTO_SHA),
    PROTO_BYTES("\x0a\0\0\0\0\x41\x06\x05\xa2\x63off\x1a\0\1\0\0\x64" "data\x43" "abc"),    /* upload */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x07\x06\xa2\x63sha\x58\x20" PROTO_SHA "\x62ms\x1a\0\0\x75\x30"), /* try */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x08\x07\xa1\x63sha\x58\x20" PROTO_SHA),                   /* confirm */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x09\x08\xa0"),                                            /* revert */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x0a\x09\xa1\x62on\xf5"),                                  /* inject */
    PROTO_BYTES("\x0a\0\0\0\0\x41\x0b\x09\xa2\x63off\x1b\0\0\0\0\0\0\0\x07\x64" "data\x44\1\0\2\0"),
    PROTO_BYTES("\x0a\0\0\0\0\x41\x0c\x0a\xa0"),                                            /* selftest */
    PROTO_BYTES("\x08\0\0\0\0\x41\x14\x0b\xa1\x64" "from\x1b\0\0\0\0\0\0\0\x07"),               /* record */
    PROTO_BYTES("\x02\0\0\0\0\0\x0d\0\xa1\x61" "d\x65" "h\xc3\xb6rt"),                      /* echo, version 1 */
    PROTO_BYTES("\x08\0\0\0\0\0\x0e\x02\xa0"),                                              /* tasks */
    PROTO_BYTES("\x0a\0\0\0\0\0\x0f\x04\xa1\x68" "datetime\x77" "2026-11-22T18:40:00.123"), /* date and time */
    PROTO_BYTES("\x08\0\0\0\0\0\x10\x04\xa0"),
    PROTO_BYTES("\x08\0\0\0\0\0\x11\x07\xa1\x66" "format\x61" "a"),                         /* information */
    PROTO_BYTES("\x08\0\0\0\0\x0a\x12\x02\xa1\x65index\x03"),                               /* one group */
    PROTO_BYTES("\x08\0\0\0\0\x0a\x12\x03\xa1\x66groups\x82\x00\x18\x41"),                  /* details */
    PROTO_BYTES("\x08\0\0\0\0\x01\x13\0\xa0"),                                              /* image state */
};

#define PROTO_APPEND 0xf0 /* from here on, an edit's place is the end */
#define PROTO_REQUEST_BYTES 600

/* Request number `which`, changed by pairs of place and byte, in out[PROTO_REQUEST_BYTES]; the header then says how long it is.
 * Gives its size. */
static size_t proto_edited(size_t which, const uint8_t *edits, size_t count, uint8_t *out)
{
    const struct proto_request *request = &proto_requests[which % PROTO_REQUESTS];
    size_t size = request->size;

    memcpy(out, request->bytes, size);
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (edits[i] < PROTO_APPEND)
            out[edits[i] % size] = edits[i + 1];
        else if (size < PROTO_REQUEST_BYTES)
            out[size++] = edits[i + 1];
    }
    out[2] = (uint8_t)((size - 8) >> 8);
    out[3] = (uint8_t)(size - 8);
    return size;
}

#endif
