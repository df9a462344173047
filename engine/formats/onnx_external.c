/* External data: bytes of another file beside the model, and of no file anywhere else. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/onnx_parts.h"

static fr_status read_number(const char *name, const char *key, const char *text, uint64_t *out) {
    *out = 0;
    size_t i = 0;
    for (; text[i] >= '0' && text[i] <= '9' && i < 18; i++)
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    if (i == 0 || text[i])
        return fr_fail(FR_INVALID, "tensor '%s': the %s of its external data is no number of bytes", name, key);
    return FR_OK;
}

/* Opens folder/location one step at a time: neither '..' nor an absolute path nor a symbolic link leads outside. */
static fr_status open_inside(const char *name, const char *folder, const char *location, int *out_file) {
    *out_file = -1;
    FR_TRY(fr_onnx_name_check(location, "an external data file"));
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return fr_fail(FR_IO, "tensor '%s': can't open the folder %s of its external data: %s", name, folder,
                       strerror(errno));
    for (const char *part = location;;) {
        size_t length = strcspn(part, "/");
        char step[256];
        bool bad = length == 0 || length >= sizeof step || (length == 1 && part[0] == '.') ||
                   (length == 2 && part[0] == '.' && part[1] == '.');
        if (bad) {
            close(at);
            return fr_fail(FR_INVALID,
                           "tensor '%s': its external data '%s' is not a plain path inside the model's folder", name,
                           location);
        }
        memcpy(step, part, length);
        step[length] = '\0';
        bool last = part[length] == '\0';
        /* O_NONBLOCK: a FIFO must not hold us up before it is refused */
        int next = openat(at, step, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (last ? 0 : O_DIRECTORY));
        int error = errno;
        close(at);
        if (next < 0 && (error == ELOOP || (error == ENOTDIR && !last)))
            return fr_fail(
                FR_INVALID,
                "tensor '%s': '%s' in its external data '%s' is a link or no folder: copy the file beside the model",
                name, step, location);
        if (next < 0)
            return fr_fail(FR_IO, "tensor '%s': can't open its external data '%s' in %s: %s", name, location, folder,
                           strerror(error));
        at = next;
        if (last)
            break;
        part += length + 1;
    }
    *out_file = at;
    return FR_OK;
}

static fr_status read_all(int file, const char *name, const char *location, uint64_t offset, uint8_t *out,
                          size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(file, out + done, bytes - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return fr_fail(FR_IO, "tensor '%s': can't read its external data '%s': %s", name, location,
                           got < 0 ? strerror(errno) : "it became shorter");
        done += (size_t)got;
    }
    return FR_OK;
}

fr_status fr_onnx_external_read(const Onnx__TensorProto *tensor, const char *name, const char *folder, size_t bytes,
                                uint8_t **out_data) {
    *out_data = NULL;
    const char *location = NULL;
    uint64_t offset = 0, length = bytes;
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const char *key = tensor->external_data[i]->key, *value = tensor->external_data[i]->value;
        if (!key || !value)
            continue;
        if (strcmp(key, "location") == 0)
            location = value;
        else if (strcmp(key, "offset") == 0)
            FR_TRY(read_number(name, key, value, &offset));
        else if (strcmp(key, "length") == 0)
            FR_TRY(read_number(name, key, value, &length));
    }
    if (!location)
        return fr_fail(FR_INVALID, "tensor '%s' says its data is external, but not where", name);
    if (!folder)
        return fr_fail(FR_INVALID,
                       "tensor '%s' has its data in the file '%s', but this model was not read from a folder", name,
                       location);
    if (length != bytes)
        return fr_fail(FR_INVALID, "tensor '%s': its shape and type need %zu bytes, its external data has %llu", name,
                       bytes, (unsigned long long)length);

    int file;
    FR_TRY(open_inside(name, folder, location, &file));
    fr_status status = FR_OK;
    struct stat facts;
    if (fstat(file, &facts) != 0 || !S_ISREG(facts.st_mode))
        status = fr_fail(FR_INVALID, "tensor '%s': its external data '%s' is not a regular file", name, location);
    else if (offset > (uint64_t)facts.st_size || bytes > (uint64_t)facts.st_size - offset)
        status = fr_fail(FR_INVALID, "tensor '%s': '%s' has %lld bytes, too few for the %zu at offset %llu", name,
                         location, (long long)facts.st_size, bytes, (unsigned long long)offset);
    else if (!(*out_data = fr_alloc(bytes)))
        status = fr_no_memory(bytes, "external data of an ONNX file");
    else
        status = read_all(file, name, location, offset, *out_data, bytes);
    close(file);
    if (status != FR_OK) {
        fr_free(*out_data);
        *out_data = NULL;
    }
    return status;
}
