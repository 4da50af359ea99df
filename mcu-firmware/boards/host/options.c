/* The command line: what there is to say about this board, each with its default. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"

static const char HELP[] =
    "usage: edged-firmware --pty PATH [options]\n"
    "\n"
    "edged's firmware, on this machine instead of a board. The link is a pty, named by a symbolic link at PATH.\n"
    "\n"
    "  --pty PATH             make this symbolic link; an old one is replaced\n"
    "  --wav FILE             the microphone: WAV, 16 kHz, mono, 16 bits, played once in real time, then silence\n"
    "  --silence              the microphone hears nothing but zeros (without one of these two there is none)\n"
    "  --flash FILE           settings and both model slots; made when missing (default: memory, lost at the end)\n"
    "  --noinit FILE          RAM that a reset leaves alone: what is in it is kept, as over a press of the reset\n"
    "                         button; made when missing, as after a power cut (default: memory)\n"
    "  --uid HEX              24 digits: the chip's own number (default 00 .. 00)\n"
    "  --baud N               let the link be as slow as a UART of this rate (default: as fast as a pty)\n"
    "  --erase-ms N           each erasing of a unit of a slot stops everything so long (default 0); of the settings,\n"
    "                         whose units are of 16384 bytes at most, as much less\n"
    "  --erase-unit BYTES     of the slots (default 131072, as STM32F405's; 4096 as nRF52840's)\n"
    "  --slot-bytes BYTES     of each slot, whole units (default 393216)\n"
    "  --program-bytes N      flash is written in aligned pieces of 1, 2, 4 or 8 bytes (default 4)\n"
    "  --arena-bytes N        memory for the model, a multiple of 16, at most 1048576 (default 131072)\n"
    "  --noinit-bytes N       size of that RAM, a multiple of 8 (default 4096)\n"
    "  --watchdog-ms N        reset when the loop stands still so long; 0: no watchdog (default 8000)\n"
    "  --cut-after-writes N   power fails in the middle of the Nth writing or erasing of flash: half of it is done, and\n"
    "                         the process ends with 3\n"
    "  --speed X              the board's time, its microphone's included, runs X times as fast (default 1)\n"
    "  --help                 this\n"
    "\n"
    "A software reset and the watchdog begin the process anew, on the same pty, flash and RAM. SIGTERM and SIGINT\n"
    "switch it off: the symbolic link is removed, and it ends with 0. Bad options end it with 2.\n";

enum wish {
    PTY = 256, WAV, SILENCE, FLASH, NOINIT, UID, BAUD, ERASE_MS, ERASE_UNIT, SLOT_BYTES, PROGRAM_BYTES, ARENA_BYTES,
    NOINIT_BYTES, WATCHDOG_MS, CUT, SPEED, HELP_WANTED,
};

static const struct option OPTIONS[] = {
    {"pty", required_argument, NULL, PTY},
    {"wav", required_argument, NULL, WAV},
    {"silence", no_argument, NULL, SILENCE},
    {"flash", required_argument, NULL, FLASH},
    {"noinit", required_argument, NULL, NOINIT},
    {"uid", required_argument, NULL, UID},
    {"baud", required_argument, NULL, BAUD},
    {"erase-ms", required_argument, NULL, ERASE_MS},
    {"erase-unit", required_argument, NULL, ERASE_UNIT},
    {"slot-bytes", required_argument, NULL, SLOT_BYTES},
    {"program-bytes", required_argument, NULL, PROGRAM_BYTES},
    {"arena-bytes", required_argument, NULL, ARENA_BYTES},
    {"noinit-bytes", required_argument, NULL, NOINIT_BYTES},
    {"watchdog-ms", required_argument, NULL, WATCHDOG_MS},
    {"cut-after-writes", required_argument, NULL, CUT},
    {"speed", required_argument, NULL, SPEED},
    {"help", no_argument, NULL, HELP_WANTED},
    {NULL, 0, NULL, 0},
};

void host_refuse(const char *value, const char *what, const char *way_out)
{
    fprintf(stderr, "edged-firmware: %s: %s. %s\n", value, what, way_out);
    exit(2);
}

static uint32_t number(const char *text, uint32_t low, uint32_t high)
{
    char *end, way_out[80];
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != 0 || *text == '-' || value < low || value > high) {
        snprintf(way_out, sizeof way_out, "Give a whole number from %u to %u", low, high);
        host_refuse(text, "is out of range", way_out);
    }
    return (uint32_t)value;
}

static uint32_t multiple(const char *text, uint32_t of, uint32_t high)
{
    uint32_t value = number(text, of, high);
    char way_out[80];

    if (value % of != 0) {
        snprintf(way_out, sizeof way_out, "Give a multiple of %u", of);
        host_refuse(text, "does not fit", way_out);
    }
    return value;
}

static double factor(const char *text)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != 0 || !(value >= 0.01 && value <= 100))
        host_refuse(text, "is out of range", "Give a number from 0.01 to 100");
    return value;
}

static void read_uid(uint8_t uid[12], const char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < 24; i++) {
        const char *digit = text[i] == 0 ? NULL : strchr(digits, text[i]);
        if (digit == NULL || (i == 23 && text[24] != 0))
            host_refuse(text, "is no chip's number", "Give 24 digits, 0 to 9 and a to f");
        uid[i / 2] = (uint8_t)(uid[i / 2] << 4 | (digit - digits));
    }
}

static uint32_t power_of_two(const char *text, uint32_t low, uint32_t high)
{
    uint32_t value = number(text, low, high);

    if ((value & (value - 1)) != 0)
        host_refuse(text, "is no power of two", "Give one");
    return value;
}

static void take(struct host_options *options, int option, const char *value)
{
    switch (option) {
    case PTY: options->pty = value; break;
    case WAV: options->wav = value; break;
    case SILENCE: options->silence = 1; break;
    case FLASH: options->flash = value; break;
    case NOINIT: options->noinit = value; break;
    case UID: read_uid(options->uid, value); break;
    case BAUD: options->baud = number(value, 300, 10000000); break;
    case ERASE_MS: options->erase_ms = number(value, 0, 60000); break;
    case ERASE_UNIT: options->erase_unit = power_of_two(value, 256, 1u << 20); break;
    case SLOT_BYTES: options->slot_bytes = number(value, 256, 1u << 24); break;
    case PROGRAM_BYTES: options->program_bytes = power_of_two(value, 1, 8); break;
    case ARENA_BYTES: options->arena_bytes = multiple(value, 16, HOST_ARENA_BYTES_MAX); break;
    case NOINIT_BYTES: options->noinit_bytes = multiple(value, 8, 1u << 20); break;
    case WATCHDOG_MS: options->watchdog_ms = number(value, 0, 1000000); break;
    case CUT: options->cut_after_writes = number(value, 1, UINT_MAX); break;
    case SPEED: options->speed = factor(value); break;
    case HELP_WANTED: fputs(HELP, stdout); exit(0);
    default: fputs("Type edged-firmware --help\n", stderr); exit(2); /* getopt has said what is wrong */
    }
}

static void check(const struct host_options *options)
{
    char text[24];

    if (options->pty == NULL)
        host_refuse("--pty", "is missing", "Say where the link is to be: --pty /tmp/board");
    if (options->wav != NULL && options->silence)
        host_refuse("--silence", "is a microphone, and so is --wav", "Leave one of them out");
    if (options->slot_bytes % options->erase_unit != 0) {
        snprintf(text, sizeof text, "%u", options->slot_bytes);
        host_refuse(text, "is no multiple of --erase-unit", "Give --slot-bytes in whole units");
    }
    if (options->noinit_bytes < 256)
        host_refuse("--noinit-bytes", "has no room for an event", "Give at least 256");
}

void host_read_options(struct host_options *options, int argc, char **argv)
{
    int option;

    *options = (struct host_options){
        .erase_unit = 131072,
        .slot_bytes = 393216,
        .program_bytes = 4,
        .arena_bytes = 131072,
        .noinit_bytes = 4096,
        .watchdog_ms = 8000,
        .speed = 1,
    };
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
        take(options, option, optarg);
    if (optind < argc)
        host_refuse(argv[optind], "is no option", "Type edged-firmware --help");
    check(options);
}
