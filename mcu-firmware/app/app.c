#include "app.h"

#include <string.h>

#include "server.h"

#define AUDIO_SAMPLES 320 /* taken in one turn: two frames, so one or two runs of a network that looks at each */

/* ---- what is heard becomes events ---- */

static void decided(void *context, const struct decision *decision)
{
    struct app *app = context;
    struct ring_event event = {
        .boot = app->model.store.settings.boot,
        .score = decision->score,
        .peak = decision->peak,
        .mean = decision->mean,
        .began = decision->began,
        .at = decision->at,
        .at_ms = app->now_us / 1000,
        .kind = decision->kind,
    };
    const char *label;
    uint32_t bytes = names_label(&app->model.hear.names, decision->column, &label);

    if (bytes > RING_LABEL_BYTES) {
        bytes = RING_LABEL_BYTES;
        while (bytes > 0 && ((uint8_t)label[bytes] & 0xc0) == 0x80) /* within a character of UTF-8 */
            bytes--;
    }
    event.label_bytes = (uint8_t)bytes;
    memcpy(event.label, label, bytes);
    memcpy(event.model, app->model.id, sizeof event.model);
    ring_add(&app->ring, &event);
}

static void scored(void *context, const uint8_t *outputs, uint32_t bytes, uint64_t ends)
{
    struct app *app = context;
    struct service_injected *injection = app->injection;

    (void)ends;
    if (injection == NULL)
        return;
    injection->runs++;
    if (bytes <= app->injection_room - injection->outputs_bytes) {
        memcpy(injection->outputs + injection->outputs_bytes, outputs, bytes);
        injection->outputs_bytes += bytes;
    }
}

static int listen(struct app *app)
{
    int16_t samples[AUDIO_SAMPLES];
    uint32_t missed = 0;
    size_t count = hal_audio_read(samples, AUDIO_SAMPLES, &missed);

    if (app->tape_until_us != 0)
        tape_push(&app->tape, server_microphone_clock(app) + missed, samples, count);
    app->missed += missed;
    if (app->injecting) {
        app->aside += missed + count;
        app->ignored += count;
    } else {
        hear_missed(&app->model.hear, missed, &app->out);
        hear_push(&app->model.hear, samples, count, &app->out);
    }
    return count > 0;
}

/* ---- the link ---- */

static void begin_message(struct app *app, size_t bytes)
{
    app->message_bytes = bytes;
    app->line_number = 0;
    app->line_at = app->line_bytes = 0;
}

/* Lines go out whole and one after another; while a message is under way no other is begun, and none is read. */
static int write_link(struct app *app)
{
    int busy = 0;

    while (app->message_bytes > 0) {
        size_t written;
        if (app->line_at == app->line_bytes) {
            app->line_at = 0;
            app->line_bytes = framing_line(app->message, app->message_bytes, app->line_number++, app->line);
            if (app->line_bytes == 0) {
                app->message_bytes = 0;
                break;
            }
        }
        written = hal_link_write(app->line + app->line_at, app->line_bytes - app->line_at);
        app->line_at += written;
        if (written == 0)
            break;
        busy = 1;
    }
    return busy;
}

/* At most one message, or as many bytes as are read at once: a flood must not keep the loop from the microphone. */
static int read_link(struct app *app)
{
    size_t message;

    if (app->message_bytes > 0)
        return 0;
    if (app->bytes_at == app->bytes_have) {
        app->bytes_at = 0;
        app->bytes_have = hal_link_read(app->bytes, sizeof app->bytes, &app->link_lost);
    }
    if (app->bytes_at == app->bytes_have)
        return 0;
    while (app->bytes_at < app->bytes_have) {
        if (framing_push(&app->reader, app->bytes[app->bytes_at++], &message)) {
            begin_message(app, smp_receive(&app->service, app->received, message, app->message, sizeof app->message));
            break;
        }
    }
    return 1;
}

/* ---- what the board says by itself, while somebody listens ---- */

static void send_heartbeat(struct app *app)
{
    struct service_heartbeat heartbeat = {0};

    app->service.heartbeat(app, &heartbeat);
    app->heartbeat_us = app->now_us + APP_HEARTBEAT_US;
    begin_message(app, smp_heartbeat(&heartbeat, ++app->sequence, app->message, sizeof app->message));
}

/* An event that is sent again keeps its sequence, so that an answer that comes late counts. */
static void send_event(struct app *app, const struct ring_event *event)
{
    const struct service_event said = {
        .number = event->number,
        .boot = event->boot,
        .kind = event->kind,
        .label = event->label,
        .label_bytes = event->label_bytes,
        .began = event->began,
        .at = event->at,
        .at_ms = event->at_ms,
        .score = event->score,
        .peak = event->peak,
        .mean = event->mean,
        .model = event->model,
    };

    if (!app->waiting || app->waiting_number != event->number)
        app->waiting_sequence = ++app->sequence;
    app->waiting = 1;
    app->waiting_number = event->number;
    app->resend_us = app->now_us + APP_RESEND_US;
    begin_message(app, smp_event(&said, app->waiting_sequence, app->message, sizeof app->message));
}

static void speak(struct app *app)
{
    const struct ring_event *event = ring_oldest(&app->ring);

    if (app->lease_until_us == 0 || app->message_bytes > 0 || app->reset_us != 0)
        return;
    if (app->now_us >= app->heartbeat_us)
        send_heartbeat(app);
    else if (event != NULL && (!app->waiting || app->now_us >= app->resend_us))
        send_event(app, event);
}

/* ---- time ---- */

static void tick(struct app *app)
{
    const char *why;

    if (app->lease_until_us != 0 && app->now_us >= app->lease_until_us)
        app->lease_until_us = 0;
    if (app->injecting && app->now_us >= app->inject_until_us)
        server_end_injection(app);
    if (app->tape_until_us != 0 && app->now_us >= app->tape_until_us)
        app->tape_until_us = 0;
    if (model_overdue(&app->model, app->now_us))
        model_revert(&app->model, &why);
    if (app->reset_us != 0
        && (app->now_us >= app->reset_us || (app->message_bytes == 0 && hal_link_idle())))
        hal_reset();
}

static void rest(struct app *app)
{
    uint64_t before = hal_micros();

    hal_sleep();
    app->idle_us += hal_micros() - before;
    app->sleeps++;
}

static void start(struct app *app)
{
    app->board = hal_start();
    app->reason = hal_reset_reason();
    app->microphone = hal_audio_present();
    app->micros = hal_micros;
    app->stack_free = hal_stack_free;
    app->out = (struct hear_out){.context = app, .decided = decided, .scored = scored};
    framing_start(&app->reader, app->received, sizeof app->received);
    ring_start(&app->ring, app->board->noinit, app->board->noinit_bytes);
    server_start(app);
    hal_feed_watchdog(); /* what follows may erase the settings, and looks at every byte of both slots */
    model_start(&app->model, app->board, &app->out);
}

void app_run(struct app *app)
{
    start(app);
    for (;;) {
        int busy;
        app->now_us = hal_micros();
        hal_feed_watchdog();
        busy = write_link(app);
        busy |= read_link(app);
        busy |= listen(app);
        tick(app);
        speak(app);
        if (!busy && !(app->message_bytes > 0 && app->line_at == app->line_bytes))
            rest(app);
    }
}
