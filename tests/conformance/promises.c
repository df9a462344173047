/* What a device promises besides steps: facts, buffers, windows, accounting, events, and refusals in words. */
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "runner.h"

#define PROMISE(condition, text)                                             \
    do {                                                                     \
        if (!(condition))                                                    \
            conf_report_failure(device, "device", "promises", "%s", (text)); \
    } while (0)

static void check_facts(conf_device *device) {
    const fr_device_facts *facts = &device->facts;
    const fr_backend *b = device->backend;
    PROMISE(b->abi == FR_BACKEND_ABI && b->name && b->title && b->version,
            "the table lacks its ABI, name, title or version");
    PROMISE(memchr(facts->name, '\0', sizeof facts->name) && facts->name[0], "the device has no name");
    PROMISE(facts->driver[0], "the device names no driver");
    PROMISE(facts->units >= 1 && facts->lanes >= 1, "the device has no units or no lanes");
    PROMISE(facts->kind >= FR_DEVICE_CPU && facts->kind <= FR_DEVICE_OTHER, "the device is of no kind");
    PROMISE(facts->precisions & 1u << FR_PRECISION_F32, "the device does not compute in f32");
    PROMISE(!(facts->flags & FR_DEVICE_HOST_POINTERS) || b->buffer_point, "HOST_POINTERS without buffer_point");
    PROMISE(!(facts->flags & FR_DEVICE_UNIFIED) || b->buffer_map, "UNIFIED without buffer_map");
}

static fr_status check_buffers(conf_device *device) {
    enum { BYTES = 4099 };
    const fr_backend *b = device->backend;
    fr_memory_use before, during, after;
    unsigned char out[BYTES], in[BYTES];
    fr_buffer *buffer = NULL;
    fr_status status = FR_OK;
    for (int i = 0; i < BYTES; i++)
        out[i] = (unsigned char)(i * 7);
    FR_TRY(b->memory_use(device->device, &before));
    for (int kind = 0; kind < 4; kind++) {
        FR_GO(done, b->buffer_new(device->device, (fr_buffer_kind)kind, BYTES, &buffer));
        FR_GO(done, b->memory_use(device->device, &during));
        PROMISE(during.live[kind] >= before.live[kind] + BYTES, "memory_use misses a buffer");
        PROMISE(during.peak[kind] >= during.live[kind], "the peak is below what is live");
        memset(in, 0, sizeof in);
        FR_GO(done, b->write(device->one, buffer, 0, out, BYTES));
        FR_GO(done, b->write(device->one, buffer, 64, out, 100));
        FR_GO(done, b->read(device->one, buffer, 0, in, 64));
        FR_GO(done, b->read(device->one, buffer, 64, in + 64, BYTES - 64));
        FR_GO(done, b->sync(device->one));
        PROMISE(memcmp(in, out, 64) == 0 && memcmp(in + 64, out, 100) == 0 &&
                    memcmp(in + 164, out + 164, BYTES - 164) == 0,
                "what is read is not what was written");
        if (device->facts.flags & FR_DEVICE_UNIFIED) {
            const unsigned char *mapped = b->buffer_map(buffer);
            PROMISE(mapped && memcmp(mapped, in, BYTES) == 0, "a mapped buffer shows other bytes");
            PROMISE((uintptr_t)mapped % 64 == 0, "a buffer does not begin at a multiple of 64");
        }
        b->buffer_free(buffer);
        buffer = NULL;
        FR_GO(done, b->memory_use(device->device, &after));
        PROMISE(after.live[kind] == before.live[kind], "memory_use still counts a freed buffer");
        PROMISE(after.peak[kind] >= before.live[kind] + BYTES, "the peak was forgotten");
    }
done:
    b->buffer_free(buffer);
    return status;
}

static fr_status check_window(conf_device *device) {
    const fr_backend *b = device->backend;
    fr_buffer *window = NULL;
    fr_status status = FR_OK;
    unsigned char memory[256], got[200];
    if (!(device->facts.flags & FR_DEVICE_HOST_POINTERS))
        return FR_OK;
    for (int i = 0; i < 256; i++)
        memory[i] = (unsigned char)i;
    FR_GO(done, b->buffer_new(device->device, FR_BUFFER_STAGING, 0, &window));
    for (int move = 0; move < 2; move++) {
        FR_GO(done, b->buffer_point(window, memory + move * 5, 200));
        FR_GO(done, b->read(device->one, window, 0, got, 200));
        FR_GO(done, b->sync(device->one));
        PROMISE(memcmp(got, memory + move * 5, 200) == 0, "a window does not show the caller's memory");
    }
done:
    b->buffer_free(window);
    return status;
}

static fr_status check_events(conf_device *device) {
    const fr_backend *b = device->backend;
    fr_event *begin = NULL, *end = NULL;
    fr_status status = FR_OK;
    uint64_t ns = 0, back = 0;
    FR_GO(done, b->event_new(device->device, &begin));
    FR_GO(done, b->event_new(device->device, &end));
    for (int again = 0; again < 2; again++) {
        FR_GO(done, b->record(device->one, begin));
        FR_GO(done, b->record(device->one, end));
        FR_GO(done, b->wait(begin));
        FR_GO(done, b->wait(end));
        FR_GO(done, b->elapsed(begin, end, &ns));
        PROMISE(ns < 60000000000ull, "an hour between two events on end");
    }
    FR_GO(done, b->elapsed(begin, begin, &back));
    PROMISE(back == 0, "time between an event and itself");
done:
    b->event_free(begin);
    b->event_free(end);
    return status;
}

/* Steps that no device can run are refused in candidates(), never a crash, and the free functions take NULL. */
static void check_refusals(conf_device *device) {
    const fr_backend *b = device->backend;
    fr_candidate found[64];
    fr_step good = fr_make_conv(1, 4, 5, 5, 4, fr_make_window(3, 1, 1), 1), bad[8];
    uint32_t count = 0, whole = 0;
    fr_make_of_type(&good, FR_MAKE_F32);
    for (size_t i = 0; i < 8; i++)
        bad[i] = good;
    bad[0].kind = 99;
    bad[1].groups = 3;
    bad[2].dst.h = 77;
    bad[3].src[0].dtype = FR_BOOL;
    bad[4].src[0].layout = 999;
    bad[5].act = 99;
    bad[6].n_src = 0;
    bad[7].win.kh = 9;
    for (size_t i = 0; i < 8; i++) {
        memset(found, 0, sizeof found);
        fr_status status = b->candidates(device->device, &bad[i], found, 64, &count);
        for (uint32_t k = 0; status == FR_OK && k < count && k < 64; k++)
            if (!found[k].refused)
                conf_report_failure(device, "device", found[k].name, "accepts the wrong step %d of the refusals",
                                    (int)i);
    }
    if (b->candidates(device->device, &good, found, 64, &whole) != FR_OK || whole == 0)
        conf_report_failure(device, "device", "promises", "a plain conv has no candidate: %s", fr_error_sentence());
    else if (b->candidates(device->device, &good, found, 0, &count) != FR_OK || count != whole)
        conf_report_failure(device, "device", "promises", "candidates() with no room says %u, not %u", count, whole);
    b->program_free(NULL);
    b->buffer_free(NULL);
    b->event_free(NULL);
    b->queue_close(NULL);
    b->device_close(NULL);
    b->driver_close(NULL);
}

void conf_check_device(conf_device *device) {
    fr_status status;
    check_facts(device);
    check_refusals(device);
    if ((status = check_buffers(device)) != FR_OK || (status = check_window(device)) != FR_OK ||
        (status = check_events(device)) != FR_OK)
        conf_report_failure(device, "device", "promises", "%s: %s", fr_status_word(status), fr_error_sentence());
}
