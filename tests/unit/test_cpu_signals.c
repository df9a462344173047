/*
 * Signals that come while kernels of the CPU backend run: a handler's frame goes where the stack register points, so that must
 * be the thread's own stack.
 */
#define _GNU_SOURCE /* REG_RSP, pthread_getattr_np */
#include <dirent.h>
#include <signal.h>
#include <sys/time.h>
#include <ucontext.h>

#define KIT_DEVICE "cpu"
#include "base/alloc.h"
#include "base/clock.h"
#include "check/make.h"
#include "check/numbers.h"
#include "device_kit.h"

#if defined(__x86_64__)
#define STACK_REGISTER REG_RSP
#endif

enum { MOST_CANDIDATES = 64, TIMER_US = 100 };

/* ---- the watch ------------------------------------------------------------------------------------------------------ */

static uintptr_t stack_begin, stack_end; /* of the main thread */
static _Thread_local bool is_main;
static volatile sig_atomic_t taken, astray;

#if defined(STACK_REGISTER)
/* What a thread has of its own lies at the end of its stack's memory. */
static bool is_on_stack(uintptr_t at) {
    static const uintptr_t most = 16 << 20;
    uintptr_t own = (uintptr_t)&is_main;
    return is_main ? at >= stack_begin && at < stack_end : at < own && own - at < most;
}

static void on_alarm(int number, siginfo_t *info, void *context) {
    const ucontext_t *interrupted = context;
    (void)number, (void)info;
    taken = taken + 1;
    if (!is_on_stack((uintptr_t)interrupted->uc_mcontext.gregs[STACK_REGISTER]))
        astray = astray + 1;
}

static bool find_stack(void) {
    pthread_attr_t attr;
    void *begin;
    size_t bytes;
    if (pthread_getattr_np(pthread_self(), &attr) != 0)
        return false;
    bool found = pthread_attr_getstack(&attr, &begin, &bytes) == 0;
    pthread_attr_destroy(&attr);
    stack_begin = (uintptr_t)begin;
    stack_end = stack_begin + bytes;
    return is_main = found;
}

/* The handler has a stack of its own on the main thread, so that what is found there does no harm. */
static bool watch(bool begins) {
    static char room[1 << 16];
    static stack_t before;
    static const struct itimerval never;
    static const struct itimerval often = {{0, TIMER_US}, {0, TIMER_US}};
    struct sigaction action = {.sa_sigaction = on_alarm, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    stack_t own = {.ss_sp = room, .ss_size = sizeof room};
    sigemptyset(&action.sa_mask);
    if (!begins) {
        setitimer(ITIMER_REAL, &never, NULL);
        signal(SIGALRM, SIG_IGN);
        return sigaltstack(&before, NULL) == 0;
    }
    return find_stack() && sigaltstack(&own, &before) == 0 && sigaction(SIGALRM, &action, NULL) == 0 &&
           setitimer(ITIMER_REAL, &often, NULL) == 0;
}
#else
static bool watch(bool begins) {
    (void)begins;
    return false;
}
#endif

/* Threads of this process that SIGALRM cannot interrupt. */
static int count_deaf(void) {
    int deaf = 0;
    DIR *tasks = opendir("/proc/self/task");
    for (struct dirent *task; tasks && (task = readdir(tasks)) != NULL;) {
        char path[300], line[256];
        unsigned long long blocked;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *file = fopen(path, "r");
        while (file && fgets(line, sizeof line, file))
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
                deaf += (int)(blocked >> (SIGALRM - 1) & 1);
        if (file)
            fclose(file);
    }
    if (tasks)
        closedir(tasks);
    return deaf;
}

/* ---- the kernels ---------------------------------------------------------------------------------------------------- */

/* Launched again and again for 20 ms. */
static fr_status launch_long(const opened *o, fr_queue *queue, const fr_step *asked, const fr_candidate *candidate,
                             const fr_weights *weights) {
    fr_step step = *asked;
    fr_launch launch = {.valid = step.n};
    fr_status status = FR_OK;
    step.src[0].layout = candidate->src_layout[0];
    step.dst.layout = candidate->dst_layout;
    FR_TRY(o->b->compile(o->device, &step, candidate, weights, &launch.program));
    FR_GO(done, o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, fr_tensor_bytes(&step.src[0], step.n),
                                 &launch.src[0].buffer));
    FR_GO(done,
          o->b->buffer_new(o->device, FR_BUFFER_ACTIVATION, fr_tensor_bytes(&step.dst, step.n), &launch.dst.buffer));
    FR_GO(done, o->b->buffer_new(o->device, FR_BUFFER_SCRATCH, candidate->scratch_bytes, &launch.scratch.buffer));
    for (uint64_t end = fr_clock_ns() + 20000000; fr_clock_ns() < end;) {
        FR_GO(done, o->b->launch(queue, &launch));
        FR_GO(done, o->b->sync(queue));
    }
done:
    o->b->program_free(launch.program);
    o->b->buffer_free(launch.src[0].buffer);
    o->b->buffer_free(launch.dst.buffer);
    o->b->buffer_free(launch.scratch.buffer);
    return status;
}

static fr_status launch_all(const opened *o, fr_queue *queue, const fr_step *step, const fr_weights *weights,
                            int *out_wrong) {
    fr_candidate found[MOST_CANDIDATES];
    uint32_t count = 0;
    FR_TRY(o->b->candidates(o->device, step, found, MOST_CANDIDATES, &count));
    for (uint32_t i = 0; i < count && i < MOST_CANDIDATES && !found[i].refused; i++) {
        int before = astray;
        FR_TRY(launch_long(o, queue, step, &found[i], weights));
        if (astray == before)
            continue;
        fprintf(stderr, "%s: %d signals came while the stack register was elsewhere\n", found[i].name, astray - before);
        ++*out_wrong;
    }
    return FR_OK;
}

/* A sum of 600 products. */
static fr_step long_conv(fr_make_type type) {
    fr_step step = fr_make_conv(2, 24, 20, 20, 40, fr_make_window(5, 1, 2), 1);
    fr_make_of_type(&step, type);
    return step;
}

static fr_step long_product(fr_make_type type) {
    fr_step step = fr_make_conv(24, 600, 1, 1, 64, fr_make_window(1, 1, 0), 1);
    step.kind = FR_STEP_FC;
    fr_make_of_type(&step, type);
    return step;
}

static fr_status launch_steps(const opened *o, fr_queue *queue, int *out_wrong) {
    for (int type = FR_MAKE_F32; type <= FR_MAKE_INT8; type++)
        for (int kind = 0; kind < 2; kind++) {
            fr_step step = kind == 0 ? long_conv((fr_make_type)type) : long_product((fr_make_type)type);
            fr_check_numbers numbers;
            if (fr_step_precisions(&step) & ~o->facts.precisions)
                continue;
            FR_TRY(fr_check_numbers_make(&step, NULL, step.n, FR_CHECK_RANDOM, 1, &numbers));
            fr_status status = launch_all(o, queue, &numbers.step, &numbers.weights, out_wrong);
            fr_check_numbers_free(&numbers);
            FR_TRY(status);
        }
    return FR_OK;
}

static void check_queue(const opened *o, uint32_t threads) {
    fr_queue *queue;
    int wrong = 0, deaf = count_deaf();
    CHECK_OK(o->b->queue_open(o->device, threads, &queue));
    taken = astray = 0;
    if (!watch(true))
        SKIP("the stack register is not known here");
    fr_status status = launch_steps(o, queue, &wrong);
    int deaf_now = count_deaf();
    CHECK(watch(false));
    CHECK_OK(status);
    CHECK_INT(wrong, 0);
    CHECK(taken > 0);
    CHECK_INT(deaf_now, deaf); /* whoever was kept from signals hears them again */
    o->b->queue_close(queue);
}

TEST(signals_find_the_stacks_of_threads) {
    opened o;
    if (open_device(&o, "") == FR_OK) {
        o.b->queue_close(o.queue); /* while it is open, programs are made for all threads too */
        o.queue = NULL;
        check_queue(&o, 1);
#if !defined(__SANITIZE_ADDRESS__) /* GCC's leak checker misreads the memory of OpenMP's threads, and crashes */
        check_queue(&o, 0);
#endif
    } else {
        printf("skip: no CPU backend here: %s\n", fr_error_sentence());
        check_skipped = true;
    }
    close_all(&o);
}

CHECK_MAIN
