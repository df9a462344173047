/*
 * The reference's backend on a device that does not stay as it was. The environment says from which opening of it on: FICKLE_LOST, what it
 * launches is lost, until FICKLE_BACK; FICKLE_LIES, its answers are wrong, which no check of its kernels shows any more. FICKLE_SLEEP: in
 * microseconds, a launch takes as long as that.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "foldrun/backend.h"

const fr_backend *ref_entry(void);

static const fr_host *host;
static atomic_int openings;

static int setting(const char *name) {
    const char *text = getenv(name);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

static int is_since(const char *name) {
    int first = setting(name);
    return first > 0 && atomic_load(&openings) >= first;
}

static fr_status driver_open(const fr_host *given, fr_driver **out_driver) {
    host = given;
    return ref_entry()->driver_open(given, out_driver);
}

static fr_status device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    fr_status status = ref_entry()->device_facts(driver, index, out_facts);
    out_facts->flags &= ~(uint32_t)FR_DEVICE_ORACLE;
    (void)snprintf(out_facts->name, sizeof out_facts->name, "fickle");
    return status;
}

static fr_status device_open(fr_driver *driver, uint32_t index, fr_device **out_device) {
    atomic_fetch_add(&openings, 1);
    return ref_entry()->device_open(driver, index, out_device);
}

static fr_status launch(fr_queue *queue, const fr_launch *given) {
    int sleep_us = setting("FICKLE_SLEEP");
    struct timespec pause = {sleep_us / 1000000, sleep_us % 1000000 * 1000L};
    if (is_since("FICKLE_LOST") && !is_since("FICKLE_BACK"))
        return host->fail(FR_DEVICE_LOST, __FILE__, __LINE__, "the device has fallen off the bus");
    fr_status status = ref_entry()->launch(queue, given);
    unsigned char *dst = status == FR_OK && is_since("FICKLE_LIES") ? ref_entry()->buffer_map(given->dst.buffer) : NULL;
    if (dst)
        dst[given->dst.offset + 3] ^= 0x41; /* of an f32: sign and size */
    if (sleep_us > 0)
        (void)nanosleep(&pause, NULL);
    return status;
}

FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    static fr_backend table;
    table = *ref_entry();
    table.name = "fickle";
    table.title = "Fickle";
    table.driver_open = driver_open;
    table.device_facts = device_facts;
    table.device_open = device_open;
    table.launch = launch;
    return &table;
}
