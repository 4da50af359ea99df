/* Time, sleep, watchdog and reset. A reset is the process begun anew by execve: what is to outlast it (the pty, memory that
 * is no file, when the world began, why) goes along as open descriptors and in the environment. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define MINE "EDGED_HOST_" /* variables of ours begin so */
#define VARIABLES_MAX 8
#define ENVIRONMENT_MAX 1024

static struct {
    double speed;
    uint32_t watchdog_ms;
    struct timespec world, boot;
    timer_t watchdog;
    int pressed;
    char **argv;
    char ours[VARIABLES_MAX][64];
    size_t variables;
    char *environment[ENVIRONMENT_MAX + VARIABLES_MAX + 2];
    size_t inherited;
} self;

static void set(const char *name, long long value)
{
    char *text;

    if (self.variables == VARIABLES_MAX)
        abort();
    text = self.ours[self.variables++];
    snprintf(text, sizeof self.ours[0], MINE "%s=%lld", name, value);
    self.environment[self.inherited + self.variables - 1] = text;
    self.environment[self.inherited + self.variables] = NULL;
}

static long long get(const char *name, long long otherwise)
{
    char variable[32];
    const char *value;

    snprintf(variable, sizeof variable, MINE "%s", name);
    value = getenv(variable);
    return value == NULL ? otherwise : atoll(value);
}

void time_keep(const char *name, int fd)
{
    set(name, fd);
}

int time_kept(const char *name)
{
    return (int)get(name, -1);
}

/* Safe in a signal handler: execve is. */
static _Noreturn void begin_anew(char *reason)
{
    char *words[] = {(char *)"/proc/self/exe", NULL};

    self.environment[self.inherited + self.variables] = reason;
    self.environment[self.inherited + self.variables + 1] = NULL;
    execve(words[0], self.argv, self.environment);
    _exit(4);
}

static void starved(int signal)
{
    static char reason[] = MINE "REASON=4";
    (void)signal;
    begin_anew(reason);
}

void hal_reset(void)
{
    static char reason[] = MINE "REASON=3";
    begin_anew(reason);
}

enum hal_reset_reason hal_reset_reason(void)
{
    return (enum hal_reset_reason)get("REASON", self.pressed ? HAL_RESET_PIN : HAL_RESET_POWER);
}

void time_set_pressed(int pressed)
{
    self.pressed = pressed;
}

static void start_watchdog(void)
{
    struct sigaction action = {.sa_handler = starved};
    sigset_t signals;

    /* After an execve out of its own handler the signal is still blocked. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGALRM);
    sigprocmask(SIG_UNBLOCK, &signals, NULL);
    sigaction(SIGALRM, &action, NULL);
    if (timer_create(CLOCK_MONOTONIC, NULL, &self.watchdog) < 0)
        host_refuse("watchdog", strerror(errno), "Let this process have a timer");
}

void time_begin(const struct host_options *options, char **argv)
{
    long long world;

    prctl(PR_SET_NAME, "edged-firmware"); /* else, begun anew, it would be called "exe" */
    self.speed = options->speed;
    self.watchdog_ms = options->watchdog_ms;
    self.argv = argv;
    clock_gettime(CLOCK_MONOTONIC, &self.boot);
    world = get("WORLD_NS", self.boot.tv_sec * 1000000000ll + self.boot.tv_nsec);
    self.world.tv_sec = (time_t)(world / 1000000000);
    self.world.tv_nsec = (long)(world % 1000000000);
    for (char **variable = environ; *variable != NULL && self.inherited < ENVIRONMENT_MAX; variable++)
        if (strncmp(*variable, MINE, strlen(MINE)) != 0)
            self.environment[self.inherited++] = *variable;
    set("WORLD_NS", world);
    if (self.watchdog_ms > 0)
        start_watchdog();
    hal_feed_watchdog();
}

static uint64_t micros_since(const struct timespec *then)
{
    struct timespec now;
    double seconds;

    clock_gettime(CLOCK_MONOTONIC, &now);
    seconds = (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
    return (uint64_t)(seconds * self.speed * 1e6);
}

uint64_t time_world_micros(void)
{
    return micros_since(&self.world);
}

uint64_t hal_micros(void)
{
    return micros_since(&self.boot);
}

static struct timespec real(double board_seconds)
{
    double seconds = board_seconds / self.speed;
    struct timespec time = {.tv_sec = (time_t)seconds};

    time.tv_nsec = (long)((seconds - (double)time.tv_sec) * 1e9);
    return time;
}

void hal_feed_watchdog(void)
{
    struct itimerspec left = {.it_value = real(1e-3 * self.watchdog_ms)};

    if (self.watchdog_ms > 0)
        timer_settime(self.watchdog, 0, &left, NULL);
}

void time_pass(uint64_t micros)
{
    struct timespec left = real(1e-6 * (double)micros);

    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

void time_wait(int fd)
{
    struct pollfd link = {.fd = fd, .events = POLLIN};
    struct timespec millisecond = real(1e-3);

    ppoll(&link, 1, &millisecond, NULL);
}
