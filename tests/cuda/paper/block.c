/*
 * A warp's threads run in turn, each until it waits, and those of the warp go on before another warp begins: a number that
 * another thread is to write is then missed as often as can be. A thread that never waits costs no switch: the fiber that ran
 * it goes on with the next one.
 */
#include "block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"

typedef enum thread_state { NOT_BEGUN, READY, AT_EXCHANGE, AT_BARRIER, ENDED } thread_state;

typedef struct pending { /* a copy of cp.async */
    void *to;
    const void *from;
    uint32_t bytes, from_bytes, group;
} pending;

typedef struct thread {
    thread_state state;
    void *stack; /* where it goes on */
    uint32_t mask, bytes, id, threads;
    const void *mine, *result;
    pending *copies;
    uint32_t n_copies, room, group; /* the group being filled */
} thread;

enum { WARPS = BLOCK_MOST_THREADS / PAPER_WARP, COPY_GARBAGE = 0xff };

static struct {
    const block_run *run;
    thread threads[BLOCK_MOST_THREADS];
    uint32_t n_threads, n_warps, n_ended;
    uint32_t current;                           /* thread */
    uint32_t next[PAPER_WARP], n_next, at_next; /* threads of this warp to begin, and how far that is */
    void *scheduler;
    fiber_stacks stacks;
    uint64_t random;
    bool has_failed;
} block;

/* One buffer a warp and first lane of a mask: lanes read it before the warp's next exchange ends. */
static char exchanged[WARPS][PAPER_WARP][PAPER_WARP * PAPER_MOST_VALUE] __attribute__((aligned(64)));

static void complain(const char *words) {
    const paper_object *o = block.run->object;
    block.has_failed = true;
    if (!block.run->is_quiet)
        fprintf(stderr, "paper: %s, block (%u, %u, %u), thread (%u, %u, %u): %s\n", block.run->kernel->name, o->block.x,
                o->block.y, o->block.z, o->thread.x, o->thread.y, o->thread.z, words);
}

static void become(uint32_t index) {
    const paper_index dim = block.run->object->block_dim;
    block.current = index;
    block.run->object->thread = (paper_index){index % dim.x, index / dim.x % dim.y, index / dim.x / dim.y};
}

static uint64_t next_random(void) {
    block.random ^= block.random << 13;
    block.random ^= block.random >> 7;
    return block.random ^= block.random << 17;
}

static void put_in_order(uint32_t *numbers, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = block.run->order == BLOCK_BACKWARD ? count - 1 - i : i;
    for (uint32_t i = count; block.run->order == BLOCK_RANDOM && i-- > 1;) {
        uint32_t other = (uint32_t)(next_random() % (i + 1)), kept = numbers[i];
        numbers[i] = numbers[other];
        numbers[other] = kept;
    }
}

/* ---- fibers ---------------------------------------------------------------------------------------------------------- */

static void finish_copies(thread *t, uint32_t groups_left);

static uint32_t stack_of[BLOCK_MOST_THREADS]; /* the one a thread waits on */
static uint32_t running_stack;

/* What a fiber does: threads that have not begun, one after the other, until the warp has none left. */
static void enter(void) {
    while (block.at_next < block.n_next) {
        become(block.next[block.at_next++]);
        thread *t = &block.threads[block.current];
        t->state = READY;
        block.run->kernel->call(block.run->params);
        t = &block.threads[block.current];
        finish_copies(t, 0);
        t->state = ENDED;
        block.n_ended++;
    }
    void *nowhere;
    fiber_give(&block.stacks, running_stack);
    fiber_go(&nowhere, block.scheduler);
    abort();
}

static void begin_threads(void) {
    while (block.at_next < block.n_next) { /* again after each that has come to wait */
        running_stack = fiber_take(&block.stacks);
        fiber_go(&block.scheduler, fiber_prepare(&block.stacks, running_stack, enter));
    }
}

static void go_on(uint32_t index) {
    become(index);
    running_stack = stack_of[index];
    block.threads[index].state = READY;
    fiber_go(&block.scheduler, block.threads[index].stack);
}

static void wait_as(thread_state state) {
    thread *t = &block.threads[block.current];
    t->state = state;
    stack_of[block.current] = running_stack;
    fiber_go(&t->stack, block.scheduler);
}

/* ---- what kernels call ------------------------------------------------------------------------------------------------ */

static void on_barrier(uint32_t id, uint32_t threads) {
    thread *t = &block.threads[block.current];
    t->id = id;
    t->threads = threads;
    wait_as(AT_BARRIER);
}

static const void *on_exchange(uint32_t mask, const void *mine, uint32_t bytes) {
    thread *t = &block.threads[block.current];
    t->mask = mask;
    t->mine = mine;
    t->bytes = bytes;
    if (!(mask >> block.current % PAPER_WARP & 1))
        complain("a lane that is not in the mask takes part");
    wait_as(AT_EXCHANGE);
    return t->result;
}

static void copy_now(const pending *c) {
    memcpy(c->to, c->from, c->from_bytes);
    memset((char *)c->to + c->from_bytes, 0, c->bytes - c->from_bytes);
}

static void finish_copies(thread *t, uint32_t groups_left) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < t->n_copies; i++) {
        if (t->copies[i].group + groups_left < t->group)
            copy_now(&t->copies[i]);
        else
            t->copies[kept++] = t->copies[i];
    }
    t->n_copies = kept;
}

static void on_copy(void *to, const void *from, uint32_t bytes, uint32_t from_bytes) {
    thread *t = &block.threads[block.current];
    if (bytes != 4 && bytes != 8 && bytes != 16)
        complain("cp.async of a size that is not 4, 8 or 16");
    if ((uintptr_t)to % bytes || (from_bytes && (uintptr_t)from % bytes) || from_bytes > bytes)
        complain("cp.async is not aligned to its size");
    if (t->n_copies == t->room) {
        t->room = t->room ? 2 * t->room : 16;
        t->copies = realloc(t->copies, t->room * sizeof *t->copies);
        if (!t->copies)
            abort();
    }
    t->copies[t->n_copies++] = (pending){to, from, bytes, from_bytes, t->group};
    memset(to, COPY_GARBAGE, bytes);
}

static void on_commit(void) {
    block.threads[block.current].group++;
}

/* Copies that no group holds yet are not waited for. */
static void on_copy_wait(uint32_t groups_left) {
    finish_copies(&block.threads[block.current], groups_left);
}

static void on_fail(const char *words) {
    complain(words);
}

void block_bind(paper_object *object) {
    object->barrier = on_barrier;
    object->exchange = on_exchange;
    object->copy = on_copy;
    object->copy_commit = on_commit;
    object->copy_wait = on_copy_wait;
    object->fail = on_fail;
}

/* ---- waiting -------------------------------------------------------------------------------------------------------- */

static void hand_out(thread *lanes, uint32_t count, uint32_t mask, uint32_t warp) {
    uint32_t first = (uint32_t)__builtin_ctz(mask), bytes = lanes[first].bytes;
    char *values = exchanged[warp][first];
    for (uint32_t i = 0; i < count; i++) {
        if (mask >> i & 1) {
            memcpy(values + (size_t)i * bytes, lanes[i].mine, bytes);
            lanes[i].result = values;
            lanes[i].state = READY;
        } else {
            memset(values + (size_t)i * bytes, COPY_GARBAGE, bytes);
        }
    }
    for (uint32_t i = count; i < PAPER_WARP; i++)
        memset(values + (size_t)i * bytes, COPY_GARBAGE, bytes);
}

/* Exchanges of this warp that all their lanes have come to. */
static bool release_exchanges(uint32_t warp) {
    thread *lanes = &block.threads[warp * PAPER_WARP];
    uint32_t count = block.n_threads - warp * PAPER_WARP, released = 0;
    count = count < PAPER_WARP ? count : PAPER_WARP;
    uint32_t present = count == PAPER_WARP ? ~0u : (1u << count) - 1;
    for (uint32_t i = 0; i < count; i++) {
        if (lanes[i].state != AT_EXCHANGE || released >> i & 1)
            continue;
        uint32_t mask = lanes[i].mask & present, same = 0;
        for (uint32_t k = 0; k < count; k++)
            if (mask >> k & 1)
                same +=
                    lanes[k].state == AT_EXCHANGE && lanes[k].mask == lanes[i].mask && lanes[k].bytes == lanes[i].bytes;
        if (!mask || same != (uint32_t)__builtin_popcount(mask))
            continue;
        hand_out(lanes, count, mask, warp);
        released |= mask;
    }
    return released != 0;
}

static bool release_barriers(void) {
    enum { IDS = 16 };
    uint32_t waiting[IDS] = {0}, needed[IDS] = {0};
    bool any = false;
    for (uint32_t i = 0; i < block.n_threads; i++) {
        const thread *t = &block.threads[i];
        if (t->state != AT_BARRIER)
            continue;
        if (t->id >= IDS)
            complain("a barrier's number is 0 to 15");
        waiting[t->id % IDS]++;
        needed[t->id % IDS] = t->threads ? t->threads : block.n_threads - block.n_ended;
    }
    for (uint32_t i = 0; i < block.n_threads; i++) {
        thread *t = &block.threads[i];
        if (t->state != AT_BARRIER || waiting[t->id % IDS] < needed[t->id % IDS])
            continue;
        t->state = READY;
        any = true;
    }
    return any;
}

static void run_warp(uint32_t warp) {
    uint32_t count = block.n_threads - warp * PAPER_WARP, lanes[PAPER_WARP];
    count = count < PAPER_WARP ? count : PAPER_WARP;
    do {
        put_in_order(lanes, count);
        block.n_next = block.at_next = 0;
        for (uint32_t i = 0; i < count; i++)
            if (block.threads[warp * PAPER_WARP + lanes[i]].state == NOT_BEGUN)
                block.next[block.n_next++] = warp * PAPER_WARP + lanes[i];
        begin_threads();
        for (uint32_t i = 0; i < count; i++)
            if (block.threads[warp * PAPER_WARP + lanes[i]].state == READY)
                go_on(warp * PAPER_WARP + lanes[i]);
    } while (release_exchanges(warp));
}

static void report_waiting(void) {
    uint32_t at_barrier = 0, at_exchange = 0;
    for (uint32_t i = 0; i < block.n_threads; i++) {
        at_barrier += block.threads[i].state == AT_BARRIER;
        at_exchange += block.threads[i].state == AT_EXCHANGE;
    }
    char words[160];
    snprintf(words, sizeof words,
             "of %u threads %u wait at a barrier, %u in a warp's exchange and %u have ended: none goes on",
             block.n_threads, at_barrier, at_exchange, block.n_ended);
    complain(words);
}

bool block_execute(const block_run *run) {
    const paper_index dim = run->object->block_dim;
    uint32_t warps[WARPS];
    block.run = run;
    block.n_threads = dim.x * dim.y * dim.z;
    block.n_warps = (block.n_threads + PAPER_WARP - 1) / PAPER_WARP;
    block.n_ended = 0;
    block.has_failed = false;
    block.random = block.random ? block.random : 0x9e3779b97f4a7c15u;
    for (uint32_t i = 0; i < block.n_threads; i++) {
        block.threads[i].state = NOT_BEGUN;
        block.threads[i].n_copies = block.threads[i].group = 0;
    }
    do {
        put_in_order(warps, block.n_warps);
        for (uint32_t i = 0; i < block.n_warps; i++)
            run_warp(warps[i]);
    } while (block.n_ended < block.n_threads && release_barriers());
    if (block.n_ended < block.n_threads) {
        report_waiting();
        fiber_give_all(&block.stacks);
    }
    return !block.has_failed;
}
