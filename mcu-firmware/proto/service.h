/* What the protocol asks of the application, in plain records: proto/ turns bytes into these calls and their answers into
 * bytes, and knows nothing of models or flash; app/ implements them and knows nothing of CBOR.
 *
 * Every call gives 0, or an `enum service_error`, and may then set *why to a constant text for people (it is NULL before).
 * All calls must be there, and fill in the whole record that they are given (it is zeros before). Text is UTF-8 and ends
 * with a zero, unless its length stands beside it; what records point to must stay until smp_receive is back. */
#ifndef EDGED_SERVICE_H
#define EDGED_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#define SERVICE_GROUP 65
#define SERVICE_PROTOCOL 1

enum service_command {
    SERVICE_HELLO = 0,     /* read */
    SERVICE_SUBSCRIBE = 1, /* write */
    SERVICE_EVENT = 2,     /* write, from the board */
    SERVICE_HEARTBEAT = 3, /* read; write, from the board */
    SERVICE_SLOTS = 4,     /* read */
    SERVICE_UPLOAD = 5,    /* write */
    SERVICE_TRY = 6,       /* write */
    SERVICE_CONFIRM = 7,   /* write */
    SERVICE_REVERT = 8,    /* write */
    SERVICE_INJECT = 9,    /* write */
    SERVICE_SELFTEST = 10, /* write */
    SERVICE_RECORD = 11,   /* read */
};

enum service_error {
    SERVICE_OK = 0,
    SERVICE_UNKNOWN = 1,   /* anything without a number of its own */
    SERVICE_TOO_LARGE = 2, /* more than a slot holds, or than a message may */
    SERVICE_OFFSET = 3,    /* not where the upload, or the sound, goes on */
    SERVICE_HASH = 4,      /* what arrived is not what was announced */
    SERVICE_PLAN = 5,      /* the plan is refused, see why */
    SERVICE_NO_MODEL = 6,  /* there is none of that hash, or none at all */
    SERVICE_FLASH = 7,     /* erasing or programming failed */
    SERVICE_BUSY = 8,      /* not now: a unit was erased, or a model is on trial; see why */
    SERVICE_GOLDEN = 9,    /* the golden windows give other outputs */
    SERVICE_INVALID = 10,  /* a value that makes no sense */
};

struct service_hello {
    const char *firmware; /* version */
    const char *board, *chip;
    const uint8_t *uid; /* 12 bytes */
    const uint8_t *image; /* sha256 of the firmware itself; NULL: not known */
    uint32_t boot;      /* counts from 1, across power cuts */
    const char *reset;  /* "power", "pin", "software", "watchdog", "fault", "unknown" */
    uint64_t up_ms;
    uint32_t baud;
    uint32_t next;   /* number of the next event */
    uint32_t first;  /* number of the oldest that is kept; equal to next: none is */
    int microphone;
};

struct service_task { /* the one task there is */
    uint32_t stack_bytes, stack_used; /* the most ever */
    uint32_t switches;                /* how often the loop slept */
    uint32_t awake_ms;
};

struct service_event {
    uint32_t number, boot;
    uint8_t kind; /* 0 detection, 1 start, 2 update, 3 end */
    const char *label;
    uint8_t label_bytes;
    uint64_t began, at; /* samples since the start of this boot */
    uint64_t at_ms;     /* since the start of this boot, when it was decided */
    uint32_t score, peak, mean; /* posteriors × 65536 */
    const uint8_t *model;       /* first 8 bytes of the sha256 of its .tflite */
};

struct service_heartbeat {
    uint32_t boot;
    uint64_t up_ms;
    uint32_t idle_permille; /* since the last heartbeat */
    uint32_t next, first;   /* events, as in hello */
    uint32_t dropped;       /* events that the ring had no room for, since the boot */
    uint64_t heard, missed; /* samples since the boot */
    uint32_t runs;          /* inferences since the boot */
    uint32_t link_lost;     /* bytes that came and had no room */
    uint32_t link_bad;      /* frames that were no frames */
    uint32_t arena_bytes;   /* used of the arena by the model */
    uint32_t stack_free;    /* the least ever */
    uint8_t slot;           /* that runs; 0xff: none */
    const char *state;      /* "listening", "trial", "injected", "empty" */
};

struct service_slot {
    const char *state; /* "empty", "partial", "whole", "refused" */
    uint32_t bytes;    /* of the plan; of a partial one, how many came */
    const uint8_t *sha256; /* of the plan file; NULL where none is known */
    const char *name;      /* of the model */
    uint8_t name_bytes;
    const char *why; /* refused: why; else NULL */
};

struct service_slots {
    struct service_slot slot[2];
    uint32_t slot_bytes;
    uint8_t active, confirmed; /* 0xff: none */
    int trial;
    uint32_t trial_left_ms;
};

struct service_upload {
    uint32_t offset;
    const uint8_t *data;
    uint32_t size;
    int first; /* it carries the length and the hash */
    uint32_t length;
    const uint8_t *sha256; /* of the plan file, 32 bytes; as length, only there when it is the first */
};

struct service_injected {
    uint64_t offset; /* samples taken since injection began: where the next must begin */
    uint32_t runs;   /* inferences that these samples led to */
    uint8_t *outputs; /* their outputs, one after the other; in: where to put them, in *outputs_bytes of room */
    uint32_t outputs_bytes;
};

struct service_selftest {
    uint32_t windows;
    int32_t differs; /* number of the first window that differs; -1: none */
    uint32_t micros; /* of one window, the mean */
};

struct service_recorded {
    uint64_t from; /* in: the first sample that is wanted, where has_from; out: of the first that is given */
    int has_from;
    uint8_t *data; /* s16 little-endian; in: where to put them, in *data_bytes of room */
    uint32_t data_bytes;
};

struct service {
    void *app;
    /* OS group */
    int (*reset)(void *app); /* arranged; the answer still goes out */
    uint64_t (*datetime)(void *app); /* ms since 1970; 0: nobody said */
    void (*set_datetime)(void *app, uint64_t ms);
    void (*task)(void *app, struct service_task *out);
    /* our own */
    void (*hello)(void *app, struct service_hello *out);
    int (*subscribe)(void *app, uint32_t lease_ms, int has_from, uint32_t from, uint32_t *granted_ms, const char **why);
    /* The gateway answered our request: rc 0, or whatever number the gateway gave. */
    void (*answered)(void *app, uint8_t command, uint8_t sequence, int rc);
    void (*heartbeat)(void *app, struct service_heartbeat *out);
    void (*slots)(void *app, struct service_slots *out);
    int (*upload)(void *app, const struct service_upload *in, uint32_t *next, int *match, const char **why);
    int (*try_model)(void *app, const uint8_t sha256[32], uint32_t trial_ms, const char **why);
    int (*confirm)(void *app, const uint8_t sha256[32], const char **why);
    int (*revert)(void *app, const char **why);
    int (*inject_mode)(void *app, int on, const char **why);
    int (*inject)(void *app, uint64_t offset, const uint8_t *samples, uint32_t bytes, struct service_injected *out,
                  const char **why);
    int (*selftest)(void *app, struct service_selftest *out, const char **why);
    int (*record)(void *app, struct service_recorded *out, const char **why);
};

#endif
