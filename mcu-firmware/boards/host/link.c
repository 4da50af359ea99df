/* The link: a pty, raw, of which the board has the master side. As on a UART, what is said while nobody has plugged in is
 * lost; with --baud, bytes come and go no faster than on one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "host.h"

#define FIFO_BYTES 512 /* of what waits for a slow link */

struct pace { /* bytes that a slow link has had the time to carry */
    uint64_t since;
    double credit;
};

static struct {
    int master;
    int plugged; /* somebody has the other side open */
    uint32_t baud;
    char path[PATH_MAX], device[64];
    struct pace in, out;
    uint8_t fifo[FIFO_BYTES];
    size_t waiting;
} self;

static void switched_off(int signal)
{
    char target[sizeof self.device];
    ssize_t length = readlink(self.path, target, sizeof target);

    (void)signal;
    /* Another board may have taken the name over: then it is that one's. */
    if (length == (ssize_t)strlen(self.device) && memcmp(target, self.device, (size_t)length) == 0)
        unlink(self.path);
    _exit(0);
}

/* Beside it first, then renamed over: there is never a moment without one. */
static void name_it(const char *path)
{
    struct stat status;
    char beside[PATH_MAX];

    if (lstat(path, &status) == 0 && !S_ISLNK(status.st_mode))
        host_refuse(path, "is there already, and is no symbolic link", "Name another place for the link");
    if (snprintf(self.path, sizeof self.path, "%s", path) >= (int)sizeof self.path
        || snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid()) >= (int)sizeof beside)
        host_refuse(path, "is too long", "Name another place for the link");
    if (symlink(self.device, beside) < 0 || rename(beside, path) < 0)
        host_refuse(path, strerror(errno), "Name a place that can be written");
}

static int open_pty(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct termios raw;
    int slave;

    if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0
        || ptsname_r(master, self.device, sizeof self.device) != 0)
        host_refuse("pty", strerror(errno), "Let this process have one (is /dev/pts there?)");
    /* Opened once and closed again, it tells whether somebody has it open. */
    slave = open(self.device, O_RDWR | O_NOCTTY);
    if (slave < 0 || tcgetattr(slave, &raw) < 0)
        host_refuse(self.device, strerror(errno), "Let this process open its own pty");
    cfmakeraw(&raw);
    tcsetattr(slave, TCSANOW, &raw);
    close(slave);
    return master;
}

void link_begin(const struct host_options *options)
{
    struct sigaction action = {.sa_handler = switched_off};

    int kept = time_kept("PTY");

    self.baud = options->baud;
    self.master = kept < 0 ? open_pty() : kept;
    ptsname_r(self.master, self.device, sizeof self.device);
    time_keep("PTY", self.master);
    name_it(options->pty);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    if (kept < 0) {
        printf("edged-firmware: the link is %s, which is %s\n", options->pty, self.device);
        fflush(stdout);
    }
}

int link_handle(void)
{
    return self.plugged && self.baud == 0 ? self.master : -1;
}

/* How many bytes the link has had time for, at most `size`; those that are then taken are to be paid for. */
static size_t afford(struct pace *pace, size_t size)
{
    uint64_t now = hal_micros();

    if (self.baud == 0)
        return size;
    pace->credit += (double)(now - pace->since) * 1e-7 * self.baud; /* ten bits a byte */
    pace->since = now;
    return pace->credit < (double)size ? (size_t)pace->credit : size;
}

static void pay(struct pace *pace, size_t size, int idle)
{
    pace->credit = idle ? 0 : pace->credit - (double)size;
}

static size_t send(const uint8_t *from, size_t size)
{
    ssize_t written;

    if (!self.plugged)
        return size;
    written = write(self.master, from, size);
    return written < 0 ? 0 : (size_t)written;
}

static void drain(void)
{
    size_t some = afford(&self.out, self.waiting);

    if (some > 0)
        some = send(self.fifo, some);
    pay(&self.out, some, self.waiting == 0);
    self.waiting -= some;
    memmove(self.fifo, self.fifo + some, self.waiting);
}

/* What was said and not read would wait in the pty for whoever opens it next. A UART does not remember. */
static void forget(void)
{
    uint8_t bytes[512];
    int slave = open(self.device, O_RDWR | O_NOCTTY | O_NONBLOCK);
    struct pollfd waiting = {.fd = slave, .events = POLLIN};

    while (slave >= 0 && poll(&waiting, 1, 1) > 0 && read(slave, bytes, sizeof bytes) > 0)
        ;
    if (slave >= 0)
        close(slave);
    self.waiting = 0;
}

size_t hal_link_read(uint8_t *to, size_t size, uint32_t *lost)
{
    size_t some = afford(&self.in, size);
    int was_plugged = self.plugged;
    ssize_t have;

    (void)lost; /* what has no room waits in the pty */
    drain();
    if (some == 0)
        return 0;
    have = read(self.master, to, some);
    self.plugged = have >= 0 || errno != EIO;
    if (was_plugged && !self.plugged)
        forget();
    have = have < 0 ? 0 : have;
    pay(&self.in, (size_t)have, have == 0);
    return (size_t)have;
}

size_t hal_link_write(const uint8_t *from, size_t size)
{
    size_t room = FIFO_BYTES - self.waiting;

    if (self.baud == 0)
        return send(from, size);
    size = size < room ? size : room;
    memcpy(self.fifo + self.waiting, from, size);
    self.waiting += size;
    drain();
    return size;
}

int hal_link_idle(void)
{
    drain();
    return self.waiting == 0;
}
