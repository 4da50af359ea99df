/* What the protocol asks of the application (proto/service.h), answered over slots, model, ring and clock. */
#ifndef EDGED_SERVER_H
#define EDGED_SERVER_H

#include "app.h"

/* Fill in the table of calls. */
void server_start(struct app *app);

/* Leave injection: the microphone is on again. Nothing, where it was on. */
void server_end_injection(struct app *app);

#endif
