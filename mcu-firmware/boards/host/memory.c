/* Memory that outlasts the process: files, mapped, so that what was written is there even after SIGKILL. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host.h"

static int open_file(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

    if (fd < 0)
        host_refuse(path, strerror(errno), "Name a file that can be written");
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        host_refuse(path, "another process uses it", "End that one, or name another file");
    return fd;
}

/* Across an execve, its number is kept instead of its name. */
static int open_nameless(const char *name)
{
    int fd = time_kept(name);

    if (fd < 0)
        fd = memfd_create(name, 0);
    if (fd < 0)
        host_refuse(name, strerror(errno), "Name a file instead");
    time_keep(name, fd);
    return fd;
}

uint8_t *memory_map(const char *path, const char *name, size_t size, uint8_t fill, int *fresh)
{
    int fd = path != NULL ? open_file(path) : open_nameless(name);
    struct stat status;
    uint8_t *bytes;
    char what[64];

    if (fstat(fd, &status) < 0)
        host_refuse(path, strerror(errno), "Name a file");
    *fresh = status.st_size == 0;
    if (!*fresh && status.st_size != (off_t)size) {
        snprintf(what, sizeof what, "has %lld bytes instead of %zu", (long long)status.st_size, size);
        host_refuse(path, what, "It was made with other sizes: give the same, or remove it");
    }
    if (*fresh && ftruncate(fd, (off_t)size) < 0)
        host_refuse(path, strerror(errno), "Make room");
    bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        host_refuse(path, strerror(errno), "Name a file that can be mapped");
    if (*fresh)
        memset(bytes, fill, size);
    return bytes;
}
