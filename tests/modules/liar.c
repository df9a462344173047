/* The reference's backend with two kernels more for every step, both offered first: one answers wrong, one does not build. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "foldrun/backend.h"

const fr_backend *ref_entry(void);

enum { WRONG, UNBUILT, RIGHT, WAYS };
static const char *const names[WAYS] = {"liar.wrong", "liar.unbuilt", "liar.right"};

typedef struct program { /* what fr_program is to the engine */
    fr_program *inner;
    const fr_host *host;
    bool lies;
    size_t last_byte; /* of dst's first number */
} program;

static const fr_host *host;

static fr_status driver_open(const fr_host *given, fr_driver **out_driver) {
    host = given;
    return ref_entry()->driver_open(given, out_driver);
}

static fr_status device_facts(fr_driver *driver, uint32_t index, fr_device_facts *out_facts) {
    fr_status status = ref_entry()->device_facts(driver, index, out_facts);
    out_facts->flags &= ~(uint32_t)FR_DEVICE_ORACLE;
    (void)snprintf(out_facts->name, sizeof out_facts->name, "liar");
    return status;
}

static fr_status candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                            uint32_t *out_count) {
    fr_candidate only;
    *out_count = 0;
    fr_status status = ref_entry()->candidates(device, step, &only, 1, out_count);
    if (status != FR_OK || *out_count == 0)
        return status;
    *out_count = WAYS;
    for (uint32_t way = 0; way < WAYS && way < capacity; way++) {
        out[way] = only;
        out[way].id = way;
        (void)snprintf(out[way].name, sizeof out[way].name, "%s", names[way]);
    }
    return FR_OK;
}

static fr_status compile(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out_program) {
    fr_candidate only = *candidate;
    *out_program = NULL;
    if (candidate->id == UNBUILT)
        return host->fail(FR_INTERNAL, __FILE__, __LINE__, "error: use of undeclared identifier 'truth'");
    program *made = host->alloc(sizeof *made, 0);
    if (!made)
        return FR_NO_MEMORY;
    (void)snprintf(only.name, sizeof only.name, "ref");
    only.id = 0;
    made->host = host;
    made->lies = candidate->id == WRONG;
    made->last_byte = fr_dtype_bytes((fr_dtype)step->dst.dtype) - 1;
    fr_status status = ref_entry()->compile(device, step, &only, weights, &made->inner);
    if (status != FR_OK) {
        host->free(made);
        return status;
    }
    *out_program = (fr_program *)made;
    return FR_OK;
}

static void program_free(fr_program *given) {
    program *p = (program *)given;
    if (!p)
        return;
    ref_entry()->program_free(p->inner);
    p->host->free(p);
}

static fr_status launch(fr_queue *queue, const fr_launch *given) {
    const program *p = (const program *)given->program;
    fr_launch inner = *given;
    inner.program = p->inner;
    fr_status status = ref_entry()->launch(queue, &inner);
    unsigned char *dst = status == FR_OK && p->lies ? ref_entry()->buffer_map(given->dst.buffer) : NULL;
    if (dst)
        dst[given->dst.offset + p->last_byte] ^= 0x41;
    return status;
}

FR_EXPORT const fr_backend *fr_backend_entry(void);

const fr_backend *fr_backend_entry(void) {
    static fr_backend table;
    table = *ref_entry();
    table.name = "liar";
    table.title = "Liar";
    table.driver_open = driver_open;
    table.device_facts = device_facts;
    table.candidates = candidates;
    table.compile = compile;
    table.program_free = program_free;
    table.launch = launch;
    return &table;
}
