#include "cli/pipeline.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"

enum { IN_FLIGHT = 2, NAME_BYTES = 4352 }; /* a path of 4,096 bytes, '#' and a number */

typedef struct batch {
    struct pipeline *pipeline;
    uint8_t *images;
    float *scores;
    fr_text names; /* each with its NUL */
    int64_t count;
    bool busy;
    fr_status status;
    char message[1024];
} batch;

typedef struct pipeline {
    cli_job *job;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    batch batches[IN_FLIGHT];
    int64_t written;
} pipeline;

static void on_done(void *user, fr_status status, const char *message) {
    batch *b = user;
    pthread_mutex_lock(&b->pipeline->mutex);
    b->status = status;
    snprintf(b->message, sizeof b->message, "%s", message ? message : "");
    b->busy = false;
    pthread_cond_broadcast(&b->pipeline->done);
    pthread_mutex_unlock(&b->pipeline->mutex);
}

static void wait_for(batch *b) {
    pthread_mutex_lock(&b->pipeline->mutex);
    while (b->busy)
        pthread_cond_wait(&b->pipeline->done, &b->pipeline->mutex);
    pthread_mutex_unlock(&b->pipeline->mutex);
}

/* Waits for the batch, if it is under way, and writes its rows. */
static int collect(pipeline *p, batch *b) {
    wait_for(b);
    if (b->count == 0)
        return CLI_DONE;
    if (b->status != FR_OK) {
        cli_complain("%s", b->message);
        return cli_exit_code(b->status);
    }
    const char *name = b->names.data;
    int code = CLI_DONE;
    for (int64_t i = 0; i < b->count && code == CLI_DONE; i++, name += strlen(name) + 1)
        code = cli_rows_add(p->job->rows, name, b->scores + i * p->job->rows->classes);
    p->written += b->count;
    b->count = 0;
    if (code == CLI_DONE)
        code = cli_rows_flush(p->job->rows);
    cli_progress_show(p->job->progress, p->written);
    return code;
}

static int interrupted(void) {
    cli_complain("interrupted");
    return CLI_FAILED;
}

/* A file that cannot be read, as opposed to a machine that cannot. */
static bool is_bad_input(fr_status status) {
    return status == FR_INVALID || status == FR_UNSUPPORTED || status == FR_IO;
}

static int read_failed(cli_job *job, fr_status status) {
    if (status == FR_CANCELLED && cli_interrupted())
        return interrupted();
    if (!is_bad_input(status))
        return cli_failed(status);
    if (!job->skip_bad) {
        cli_complain("%s", fr_error_message());
        return CLI_BAD_INPUT;
    }
    cli_complain("left out: %s", fr_error_message());
    job->skipped++;
    return CLI_DONE;
}

static int fill(pipeline *p, batch *b) {
    cli_job *job = p->job;
    char name[NAME_BYTES];
    b->names.length = 0;
    b->count = 0;
    while (b->count < job->batch) {
        bool got;
        if (cli_interrupted())
            return interrupted();
        fr_status status =
            fr_source_next(job->source, b->images + (size_t)b->count * job->image_bytes, name, sizeof name, &got);
        if (status != FR_OK) {
            int code = read_failed(job, status);
            if (code != CLI_DONE)
                return code;
            continue;
        }
        if (!got)
            break;
        fr_text_add_bytes(&b->names, name, strlen(name) + 1);
        b->count++;
    }
    if (b->names.failed) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    return CLI_DONE;
}

static int submit(pipeline *p, batch *b) {
    const fr_images images = {.data = b->images, .dtype = FR_U8, .count = b->count};
    b->busy = true;
    fr_status status = fr_session_submit(p->job->session, &images, b->scores, on_done, b);
    if (status == FR_OK)
        return CLI_DONE;
    b->busy = false;
    b->count = 0;
    return cli_failed(status);
}

static int flow(pipeline *p) {
    int turn = 0, code = CLI_DONE;
    for (;; turn = (turn + 1) % IN_FLIGHT) {
        batch *b = &p->batches[turn];
        code = collect(p, b);
        if (code == CLI_DONE)
            code = fill(p, b);
        if (code != CLI_DONE || b->count == 0)
            break;
        code = submit(p, b);
        if (code != CLI_DONE)
            break;
    }
    for (int i = 1; i < IN_FLIGHT && code == CLI_DONE; i++) /* oldest first */
        code = collect(p, &p->batches[(turn + i) % IN_FLIGHT]);
    return code;
}

int cli_pipeline(cli_job *job) {
    pipeline p = {.job = job};
    int code = CLI_DONE;
    size_t classes = (size_t)job->rows->classes;
    pthread_mutex_init(&p.mutex, NULL);
    pthread_cond_init(&p.done, NULL);
    for (int i = 0; i < IN_FLIGHT; i++) {
        batch *b = &p.batches[i];
        b->pipeline = &p;
        b->images = fr_alloc_array((size_t)job->batch, job->image_bytes);
        b->scores = fr_alloc_array((size_t)job->batch, classes * sizeof *b->scores);
        if (!b->images || !b->scores)
            code = CLI_FAILED;
    }
    if (code != CLI_DONE)
        cli_complain("out of memory: %lld images of %zu bytes, twice", (long long)job->batch, job->image_bytes);
    else
        code = flow(&p);
    for (int i = 0; i < IN_FLIGHT; i++) { /* what is under way still uses the buffers */
        wait_for(&p.batches[i]);
        fr_free(p.batches[i].images);
        fr_free(p.batches[i].scores);
        fr_text_free(&p.batches[i].names);
    }
    pthread_cond_destroy(&p.done);
    pthread_mutex_destroy(&p.mutex);
    return code;
}
