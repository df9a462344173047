#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"

static fr_status io_error(const char *verb, const char *path, int code) {
    return fr_fail(FR_IO, "cannot %s %s: %s", verb, path, strerror(code));
}

/* What a path that is no regular file is, in words. */
static const char *kind_word(mode_t mode) {
    if (S_ISDIR(mode))
        return "it is a folder";
    if (S_ISFIFO(mode))
        return "it is a pipe, not a file";
    if (S_ISSOCK(mode))
        return "it is a socket, not a file";
    return "it is a device, not a file";
}

/* ---- reading ------------------------------------------------------------------------------------------------ */

static fr_status read_all(int fd, const char *path, char *data, size_t bytes, size_t *out_bytes) {
    size_t got = 0;
    while (got < bytes) {
        ssize_t n = read(fd, data + got, bytes - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return io_error("read", path, errno);
        if (n == 0)
            break; /* cut since it was measured: what is there is what it holds */
        got += (size_t)n;
    }
    data[got] = '\0';
    *out_bytes = got;
    return FR_OK;
}

fr_status fr_file_read(const char *path, size_t limit, char **out_data, size_t *out_bytes) {
    fr_status status = FR_OK;
    char *data = NULL;
    struct stat facts;
    size_t bytes;
    *out_data = NULL;
    *out_bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a FIFO would wait for its writer */
    if (fd < 0)
        return io_error("read", path, errno);
    if (fstat(fd, &facts) != 0) {
        status = io_error("read", path, errno);
    } else if (!S_ISREG(facts.st_mode)) {
        status = fr_fail(FR_IO, "cannot read %s: %s", path, kind_word(facts.st_mode));
    } else if (limit > 0 && (uintmax_t)facts.st_size > limit) {
        status = fr_fail(FR_INVALID, "%s is too large: %lld bytes, at most %zu are accepted", path,
                         (long long)facts.st_size, limit);
    } else if ((uintmax_t)facts.st_size >= SIZE_MAX || !fr_size_add((size_t)facts.st_size, 1, &bytes) ||
               !(data = fr_alloc(bytes))) {
        status = fr_no_memory((size_t)facts.st_size, path);
    } else {
        status = read_all(fd, path, data, bytes - 1, out_bytes);
    }
    close(fd);
    if (status != FR_OK) {
        fr_free(data);
        return status;
    }
    *out_data = data;
    return FR_OK;
}

/* ---- writing ------------------------------------------------------------------------------------------------ */

enum { WRITER_BUFFER = 1 << 16 };

struct fr_file_writer {
    int fd;
    char *path;      /* as the caller named it: for messages */
    char *target;    /* where the file goes in the end, links followed */
    char *temporary; /* NULL: written in place */
    size_t held;
    bool failed;
    char buffer[WRITER_BUFFER];
};

static void writer_free(fr_file_writer *writer) {
    if (!writer)
        return;
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    fr_free(writer->path);
    fr_free(writer->target);
    fr_free(writer->temporary);
    fr_free(writer);
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

/* Devices and pipes cannot be replaced by a rename. Standard output may be a file, and then ours is its place in it. */
static fr_status open_in_place(fr_file_writer *writer) {
    if (strcmp(writer->path, "/dev/stdout") == 0)
        writer->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    else if (strcmp(writer->path, "/dev/stderr") == 0)
        writer->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    else
        writer->fd = open(writer->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return writer->fd < 0 ? io_error("write", writer->path, errno) : FR_OK;
}

/* "folder/.foldrun-PID-COUNT.tmp" beside the target: short, so that no name is too long for it. */
static fr_status open_temporary(fr_file_writer *writer, mode_t mode) {
    static _Atomic unsigned counter;
    const char *slash = strrchr(writer->target, '/');
    int folder = slash ? (int)(slash - writer->target) + 1 : 0;
    for (int attempt = 0; attempt < 100; attempt++) { /* names that an earlier process of our pid left behind */
        char *name =
            fr_format("%.*s.foldrun-%ld-%u.tmp", folder, writer->target, (long)getpid(), atomic_fetch_add(&counter, 1));
        if (!name)
            return fr_no_memory(strlen(writer->target) + 40, "a file name");
        writer->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (writer->fd >= 0) {
            writer->temporary = name;
            return FR_OK;
        }
        fr_free(name);
        if (errno != EEXIST)
            break;
    }
    return io_error("write", writer->path, errno);
}

/* A link to a file stays a link: the file it names is replaced. */
static char *follow_links(const char *path) {
    struct stat facts;
    if (lstat(path, &facts) != 0 || !S_ISLNK(facts.st_mode))
        return fr_strdup(path);
    char *real = realpath(path, NULL); /* the C library's memory */
    char *copy = fr_strdup(real ? real : path);
    free(real);
    return copy;
}

fr_status fr_file_begin(const char *path, fr_file_writer **out_writer) {
    fr_status status = FR_OK;
    struct stat facts;
    *out_writer = NULL;
    fr_file_writer *writer = fr_alloc(sizeof *writer);
    if (!writer)
        return fr_no_memory(sizeof *writer, path);
    writer->fd = -1;
    writer->path = fr_strdup(path);
    writer->target = follow_links(path);
    bool exists = stat(path, &facts) == 0;
    if (!writer->path || !writer->target)
        status = fr_no_memory(strlen(path) + 1, "a file name");
    else if (path[0] == '\0')
        status = fr_fail(FR_IO, "cannot write a file without a name");
    else if (exists && S_ISDIR(facts.st_mode))
        status = fr_fail(FR_IO, "cannot write %s: it is a folder", path);
    else if (starts_with(path, "/dev/") ? exists : exists && !S_ISREG(facts.st_mode))
        status = open_in_place(writer);
    else
        status = open_temporary(writer, 0666);
    if (status == FR_OK && writer->temporary && exists && fchmod(writer->fd, facts.st_mode & 0777) != 0)
        status = io_error("write", path, errno);
    if (status != FR_OK) {
        writer_free(writer);
        return status;
    }
    *out_writer = writer;
    return FR_OK;
}

static fr_status write_all(fr_file_writer *writer, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t n = write(writer->fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            writer->failed = true;
            return io_error("write", writer->path, n < 0 ? errno : ENOSPC);
        }
        data += n;
        bytes -= (size_t)n;
    }
    return FR_OK;
}

static fr_status flush(fr_file_writer *writer) {
    size_t bytes = writer->held;
    writer->held = 0;
    return write_all(writer, writer->buffer, bytes);
}

fr_status fr_file_put(fr_file_writer *writer, const void *data, size_t bytes) {
    if (bytes == 0)
        return FR_OK;
    if (bytes > WRITER_BUFFER - writer->held)
        FR_TRY(flush(writer));
    if (bytes > WRITER_BUFFER)
        return write_all(writer, data, bytes);
    memcpy(writer->buffer + writer->held, data, bytes);
    writer->held += bytes;
    return FR_OK;
}

/* Full disks and quotas may show only here. */
static fr_status settle(fr_file_writer *writer) {
    FR_TRY(flush(writer));
    if (writer->failed)
        return fr_fail(FR_IO, "cannot write %s: an earlier part failed", writer->path);
    if (writer->temporary && fsync(writer->fd) != 0)
        return io_error("write", writer->path, errno);
    int fd = writer->fd;
    writer->fd = -1;
    if (close(fd) != 0 && errno != EINTR)
        return io_error("write", writer->path, errno);
    if (!writer->temporary)
        return FR_OK;
    if (rename(writer->temporary, writer->target) != 0)
        return io_error("write", writer->path, errno);
    fr_free(writer->temporary);
    writer->temporary = NULL;
    return FR_OK;
}

fr_status fr_file_commit(fr_file_writer *writer) {
    fr_status status = settle(writer);
    writer_free(writer);
    return status;
}

void fr_file_abandon(fr_file_writer *writer) {
    writer_free(writer);
}

fr_status fr_file_write(const char *path, const void *data, size_t bytes) {
    fr_file_writer *writer;
    FR_TRY(fr_file_begin(path, &writer));
    fr_status status = fr_file_put(writer, data, bytes);
    if (status != FR_OK) {
        fr_file_abandon(writer);
        return status;
    }
    return fr_file_commit(writer);
}
