/*
 * Keeping signals from a queue's threads. A signal's frame is written where the stack register points, and some of oneDNN's
 * kernels point it into the heap: see cpu_dnnl_moves_stack.
 */
#include "cpu.h"

/* What can wait, which the faults of the thread itself cannot. */
static sigset_t mask_of_all(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        sigdelset(&all, faults[i]);
    return all;
}

/* Says which ones this thread must hear again: those that did not wait already. */
static void hold_here(void *ctx, int64_t job) {
    sigset_t *held = (sigset_t *)ctx + job, all = mask_of_all(), before;
    sigemptyset(held);
    if (pthread_sigmask(SIG_BLOCK, &all, &before) != 0)
        return;
    for (int number = 1; number < NSIG; number++)
        if (sigismember(&all, number) == 1 && sigismember(&before, number) == 0)
            sigaddset(held, number);
}

static void release_here(void *ctx, int64_t job) {
    (void)pthread_sigmask(SIG_UNBLOCK, (sigset_t *)ctx + job, NULL);
}

void cpu_signals_hold(fr_queue *queue) {
    cpu_parallel(queue, queue->threads, hold_here, queue->held);
}

void cpu_signals_release(fr_queue *queue) {
    cpu_parallel(queue, queue->threads, release_here, queue->held);
}
