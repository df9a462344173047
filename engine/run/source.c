/* A source of images: one item after another, one image held at a time, however long an array or a stream is. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/status.h"
#include "foldrun/foldrun.h"
#include "formats/image_parts.h"
#include "formats/npy.h"
#include "run/options.h"
#include "run/source_list.h"

/* The array or stream being read. */
typedef struct raw_images {
    FILE *file; /* npy */
    bool chw;
    int64_t count; /* -1: until the stream ends */
    int64_t next;
    int32_t height, width, channels;
    uint8_t *pixels; /* one image as it comes */
    uint8_t *hwc;    /* the same, turned, when chw */
} raw_images;

struct fr_source {
    fr_source_options options; /* paths are not used after opening */
    fr_source_list list;
    size_t at;
    int64_t total;
    bool open; /* raw holds item `at` */
    raw_images raw;
};

static void close_raw(fr_source *s) {
    if (s->raw.file)
        fclose(s->raw.file);
    fr_free(s->raw.pixels);
    fr_free(s->raw.hwc);
    s->raw = (raw_images){0};
    s->open = false;
}

/* ---- arrays ---- */

static bool can_become(int64_t have, int32_t want) {
    return have == want || ((have == 1 || have == 3) && (want == 1 || want == 3));
}

/* Which of N,H,W,C and N,C,H,W an array is: the one whose size is the model's, else whose channels are, else could be. */
static fr_status read_order(const fr_source *s, const char *path, const fr_shape *shape, raw_images *raw) {
    const int64_t *d = shape->dim;
    int32_t want = s->options.channels;
    if (shape->rank != 4)
        return fr_fail(FR_INVALID, "%s: %d dimensions; images are N,H,W,C or N,C,H,W", path, shape->rank);
    for (int i = 1; i < 4; i++)
        if (d[i] <= 0 || d[i] > FR_IMAGE_MAX_PIXELS)
            return fr_fail(FR_INVALID, "%s: dimension %d is %lld: an image cannot have that", path, i, (long long)d[i]);
    bool hwc = can_become(d[3], want), chw = can_become(d[1], want);
    if (!hwc && !chw)
        return fr_fail(FR_INVALID, "%s: images of %lldx%lldx%lld where %d channels come first or last", path,
                       (long long)d[1], (long long)d[2], (long long)d[3], want);
    if (hwc && chw) {
        bool size_hwc = d[1] == s->options.height && d[2] == s->options.width;
        bool size_chw = d[2] == s->options.height && d[3] == s->options.width;
        chw = size_chw != size_hwc ? size_chw : d[3] != want && d[1] == want;
    }
    raw->chw = chw;
    raw->channels = (int32_t)(chw ? d[1] : d[3]);
    raw->height = (int32_t)(chw ? d[2] : d[1]);
    raw->width = (int32_t)(chw ? d[3] : d[2]);
    raw->count = d[0];
    return FR_OK;
}

static fr_status raw_buffers(raw_images *raw) {
    size_t bytes;
    if (!fr_size_mul((size_t)raw->height * (size_t)raw->width, (size_t)raw->channels, &bytes) ||
        bytes > (size_t)FR_IMAGE_MAX_PIXELS * 3)
        return fr_fail(FR_INVALID, "images of %dx%dx%d are too large", raw->height, raw->width, raw->channels);
    raw->pixels = fr_alloc(bytes);
    raw->hwc = raw->chw ? fr_alloc(bytes) : NULL;
    if (!raw->pixels || (raw->chw && !raw->hwc))
        return fr_no_memory(bytes, "one image");
    return FR_OK;
}

/* Opens the array and checks the whole of its size; leaves the file at the first image. */
static fr_status open_npy(const fr_source *s, const char *path, raw_images *raw) {
    uint8_t head[FR_NPY_HEAD_BYTES];
    fr_npy npy;
    size_t offset, payload;
    struct stat facts;
    *raw = (raw_images){0};
    raw->file = fopen(path, "rbe");
    if (!raw->file)
        return fr_fail(FR_IO, "cannot read '%s': %s", path, strerror(errno));
    size_t got = fread(head, 1, sizeof head, raw->file);
    if (ferror(raw->file))
        return fr_fail(FR_IO, "cannot read '%s': %s", path, strerror(errno));
    FR_TRY(fr_npy_head(head, got, path, &npy, &offset, &payload));
    if (npy.dtype != FR_U8)
        return fr_fail(FR_UNSUPPORTED, "%s: numbers of type %s; images are unsigned bytes (numpy uint8)", path,
                       fr_dtype_name(npy.dtype));
    FR_TRY(read_order(s, path, &npy.shape, raw));
    if (fstat(fileno(raw->file), &facts) == 0 && S_ISREG(facts.st_mode) &&
        (uint64_t)facts.st_size < (uint64_t)offset + payload)
        return fr_fail(FR_INVALID, "%s: the .npy file is cut short: %llu bytes of the array are missing", path,
                       (unsigned long long)((uint64_t)offset + payload - (uint64_t)facts.st_size));
    if (fseeko(raw->file, (off_t)offset, SEEK_SET) != 0)
        return fr_fail(FR_IO, "cannot seek in '%s': %s", path, strerror(errno));
    return FR_OK;
}

static fr_status read_npy(fr_source *s, const char *path, size_t bytes, bool *out_got) {
    raw_images *raw = &s->raw;
    *out_got = false;
    if (raw->next == raw->count)
        return FR_OK;
    if (fread(raw->pixels, 1, bytes, raw->file) != bytes)
        return fr_fail(FR_IO, "cannot read image %lld of '%s': %s", (long long)raw->next, path,
                       ferror(raw->file) ? strerror(errno) : "the file ended");
    *out_got = true;
    if (!raw->chw)
        return FR_OK;
    size_t map = (size_t)raw->height * (size_t)raw->width, channels = (size_t)raw->channels;
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < map; i++)
            raw->hwc[i * channels + c] = raw->pixels[c * map + i];
    return FR_OK;
}

/* ---- frames ---- */

static fr_status check_frames(const fr_source_options *o) {
    if (o->frame_height <= 0 || o->frame_width <= 0 || o->frame_channels <= 0)
        return fr_fail(FR_INVALID, "raw frames on standard input need their size: height x width x channels");
    if (!can_become(o->frame_channels, o->channels))
        return fr_fail(FR_INVALID, "frames of %d channels cannot become images of %d", o->frame_channels, o->channels);
    return FR_OK;
}

static fr_status read_frame(fr_source *s, size_t bytes, bool *out_got) {
    size_t have = 0;
    *out_got = false;
    while (have < bytes) {
        ssize_t got = read(STDIN_FILENO, s->raw.pixels + have, bytes - have);
        if (got < 0)
            return errno == EINTR ? fr_fail(FR_CANCELLED, "interrupted while reading standard input")
                                  : fr_fail(FR_IO, "cannot read standard input: %s", strerror(errno));
        if (got == 0)
            break;
        have += (size_t)got;
    }
    if (have > 0 && have < bytes)
        return fr_fail(FR_INVALID, "standard input: frame %lld is cut short: %zu of its %zu bytes are missing",
                       (long long)s->raw.next, bytes - have, bytes);
    *out_got = have == bytes;
    return FR_OK;
}

/* ---- the source ---- */

static fr_status count_images(fr_source *s) {
    bool frames = false;
    for (size_t i = 0; i < s->list.n_items; i++) {
        raw_images raw = {.count = 1};
        fr_status status = FR_OK;
        if (s->list.items[i].kind == FR_SOURCE_FRAMES) {
            if (frames)
                return fr_fail(FR_INVALID, "standard input ('-') is given twice");
            frames = true;
            raw.count = 0;
            status = check_frames(&s->options);
        } else if (s->list.items[i].kind == FR_SOURCE_NPY) {
            status = open_npy(s, s->list.items[i].path, &raw);
            if (raw.file)
                fclose(raw.file);
        }
        FR_TRY(status);
        s->total += raw.count;
    }
    if (frames)
        s->total = -1;
    return FR_OK;
}

fr_status fr_source_open(const fr_source_options *options, fr_source **out_source) {
    fr_source_options given;
    fr_status status;
    *out_source = NULL;
    FR_TRY(fr_options_take(options, &given, sizeof given, "fr_source_options"));
    if (given.height <= 0 || given.width <= 0 || given.channels <= 0 || given.height > INT32_MAX / given.width ||
        given.height * given.width > FR_IMAGE_MAX_PIXELS)
        return fr_fail(FR_INVALID, "images of %dx%dx%d cannot be made", given.height, given.width, given.channels);
    if (given.n_paths == 0)
        return fr_fail(FR_INVALID, "no input is given");
    fr_source *s = fr_alloc(sizeof *s);
    if (!s)
        return fr_no_memory(sizeof *s, "a source of images");
    s->options = given;
    for (size_t i = 0; i < given.n_paths; i++)
        FR_GO(done, fr_source_list_add(&s->list, given.paths[i]));
    s->options.paths = NULL;
    FR_GO(done, count_images(s));
    *out_source = s;
done:
    if (status != FR_OK)
        fr_source_close(s);
    return status;
}

void fr_source_close(fr_source *source) {
    if (!source)
        return;
    close_raw(source);
    fr_source_list_free(&source->list);
    fr_free(source);
}

int64_t fr_source_total(const fr_source *source) {
    return source->total;
}

int64_t fr_source_skipped(const fr_source *source) {
    return source->list.skipped;
}

/* Channels and size as the model wants them. `image` may be changed, its pixels are not. */
static fr_status deliver(const fr_source *s, fr_image image, const char *where, uint8_t *out) {
    if (image.channels == s->options.channels)
        return fr_image_resize(&image, s->options.height, s->options.width, out);
    size_t bytes = (size_t)image.height * (size_t)image.width * (size_t)image.channels;
    fr_image copy;
    FR_TRY(fr_image_new(image.height, image.width, image.channels, where, &copy));
    memcpy(copy.pixels, image.pixels, bytes);
    fr_status status = fr_image_convert(&copy, s->options.channels, where);
    if (status == FR_OK)
        status = fr_image_resize(&copy, s->options.height, s->options.width, out);
    fr_free(copy.pixels);
    return status;
}

static fr_status next_file(fr_source *s, const char *path, uint8_t *out) {
    fr_image image;
    FR_TRY(fr_image_load(path, s->options.channels, &image));
    fr_status status = fr_image_resize(&image, s->options.height, s->options.width, out);
    fr_free(image.pixels);
    return status;
}

static fr_status open_raw(fr_source *s, const fr_source_item *item) {
    if (item->kind == FR_SOURCE_NPY) {
        FR_TRY(open_npy(s, item->path, &s->raw));
    } else {
        const fr_source_options *o = &s->options;
        s->raw = (raw_images){
            .count = -1, .height = o->frame_height, .width = o->frame_width, .channels = o->frame_channels};
    }
    FR_TRY(raw_buffers(&s->raw));
    s->open = true;
    return FR_OK;
}

static fr_status next_raw(fr_source *s, const fr_source_item *item, uint8_t *out, char *name, size_t name_bytes,
                          bool *out_got) {
    bool npy = item->kind == FR_SOURCE_NPY;
    const char *label = npy ? item->path : "stdin";
    snprintf(name, name_bytes, "%s", label);
    if (!s->open)
        FR_TRY(open_raw(s, item));
    raw_images *raw = &s->raw;
    size_t bytes = (size_t)raw->height * (size_t)raw->width * (size_t)raw->channels;
    snprintf(name, name_bytes, "%s#%lld", label, (long long)raw->next);
    FR_TRY(npy ? read_npy(s, item->path, bytes, out_got) : read_frame(s, bytes, out_got));
    if (!*out_got)
        return FR_OK;
    raw->next++;
    return deliver(s, (fr_image){raw->height, raw->width, raw->channels, raw->chw ? raw->hwc : raw->pixels}, label,
                   out);
}

fr_status fr_source_next(fr_source *source, uint8_t *out, char *name, size_t name_bytes, bool *out_got) {
    fr_source *s = source;
    *out_got = false;
    if (name_bytes > 0)
        name[0] = '\0';
    while (s->at < s->list.n_items) {
        const fr_source_item *item = &s->list.items[s->at];
        fr_status status;
        bool got = item->kind == FR_SOURCE_IMAGE;
        if (got) {
            snprintf(name, name_bytes, "%s", item->path);
            status = next_file(s, item->path, out);
        } else {
            status = next_raw(s, item, out, name, name_bytes, &got);
        }
        if (status != FR_OK || !got || item->kind == FR_SOURCE_IMAGE) {
            close_raw(s);
            s->at++;
        }
        if (status == FR_OK && !got)
            continue;
        *out_got = status == FR_OK;
        return status;
    }
    if (name_bytes > 0)
        name[0] = '\0';
    return FR_OK;
}
