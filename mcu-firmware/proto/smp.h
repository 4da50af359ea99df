/* The Simple Management Protocol, server and (for events) client, sans-IO: messages in, messages out.
 *
 * A message is the 8-byte header and a CBOR map, without the console framing (framing.h). PROTOCOL.md has every message. */
#ifndef EDGED_SMP_H
#define EDGED_SMP_H

#include <stddef.h>
#include <stdint.h>

#include "service.h"

#define SMP_HEADER_BYTES 8
#define SMP_BUFFER_BYTES 1280 /* largest message, header included, both ways: 512 samples and what goes with them */
#define SMP_BUFFER_COUNT 1    /* messages that may be on their way to the board at once */

/* Answer a request, or take the answer to one of ours (service.answered). Gives the bytes of the response that was put
 * into `out`, which must not be where the message lies; 0: there is nothing to say (a response is never answered). Any bytes
 * at all are survived. A response that does not fit is answered with an error; what the service did stays done. */
size_t smp_receive(const struct service *service, const uint8_t *message, size_t bytes, uint8_t *out, size_t capacity);

/* A request of ours; sequence is the caller's to count. 0: it does not fit. */
size_t smp_event(const struct service_event *event, uint8_t sequence, uint8_t *out, size_t capacity);
size_t smp_heartbeat(const struct service_heartbeat *heartbeat, uint8_t sequence, uint8_t *out, size_t capacity);

#endif
