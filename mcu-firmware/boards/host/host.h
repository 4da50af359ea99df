/* The board that is this machine: its parts, and how they are told what to be.
 *
 * hal.h's calls carry no context, so each part keeps one static record of its own. */
#ifndef EDGED_HOST_H
#define EDGED_HOST_H

#include <stddef.h>
#include <stdint.h>

#include "../../hal/hal.h"

#define HOST_ARENA_BYTES_MAX (1u << 20)

struct host_options {
    const char *pty;    /* where the link's symbolic link is to be */
    const char *wav;    /* the microphone; NULL: none, or silence */
    int silence;
    const char *flash;  /* files; NULL: memory, which lasts as long as the process */
    const char *noinit;
    uint8_t uid[12];
    uint32_t baud;
    uint32_t erase_ms;
    uint32_t erase_unit, slot_bytes, program_bytes;
    uint32_t arena_bytes, noinit_bytes;
    uint32_t watchdog_ms;
    uint32_t cut_after_writes; /* 0: never */
    double speed;
};

/* Read the command line; ends the process where it asks for help, or makes no sense (2). */
void host_read_options(struct host_options *options, int argc, char **argv);

/* Say what is wrong with the value of an option and how to mend it, and end the process with 2. */
_Noreturn void host_refuse(const char *value, const char *what, const char *way_out);

/* Take the options; before hal_start. argv is what the process begins anew with, when the board is reset. */
void host_begin(const struct host_options *options, char **argv);

/* ---- time: time.c ---- */

void time_begin(const struct host_options *options, char **argv);

/* Microseconds of board time since this board was first switched on: resets do not stop the world. */
uint64_t time_world_micros(void);

/* A process that begins with RAM of an earlier one is a board whose reset button was pressed. */
void time_set_pressed(int pressed);

/* Sleep that much board time. */
void time_pass(uint64_t micros);

/* Sleep until fd (-1: none) can be read, or a millisecond of board time is over. */
void time_wait(int fd);

/* Remember, over a reset, the number of a file descriptor under a name; and find it again: -1 when there was no reset. */
void time_keep(const char *name, int fd);
int time_kept(const char *name);

/* ---- link: link.c ---- */

void link_begin(const struct host_options *options);

/* What to wait on for a byte; -1 when nothing can come. */
int link_handle(void);

/* ---- memory that lasts: memory.c ---- */

/* Map a file of `size` bytes, made and filled with `fill` where it is not there or empty; without a path, memory that
 * resets leave alone. *fresh: it was made just now. */
uint8_t *memory_map(const char *path, const char *name, size_t size, uint8_t fill, int *fresh);

/* ---- flash: flash.c ---- */

void flash_begin(const struct host_options *options);
uint32_t flash_area_bytes(enum hal_area area);

/* ---- microphone: microphone.c ---- */

void microphone_begin(const struct host_options *options);

#endif
