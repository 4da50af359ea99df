/* What the protocol asks of the application (proto/service.h), answered over slots, model, ring and clock. */
#ifndef EDGED_SERVER_H
#define EDGED_SERVER_H

#include "app.h"

/* Fill in the table of calls. */
void server_start(struct app *app);

/* Number of the next sample of the microphone, missed ones included; injection does not change it. */
uint64_t server_microphone_clock(const struct app *app);

/* Leave injection: the microphone is on again. Nothing, where it was on. */
void server_end_injection(struct app *app);

#endif
