/* The CUDA backend in a program that uses the driver itself: its contexts and its captures stay as they were. On paper. */
#define KIT_DEVICE "cuda:0"

#include <cuda.h>

#include "device_kit.h"
#include "paper_kit.h"

typedef struct host_program { /* the part of it that is not ours */
    void *library;
    CUresult (*create)(CUcontext *, unsigned, CUdevice);
    CUresult (*destroy)(CUcontext);
    CUresult (*pop)(CUcontext *);
    CUresult (*stream_new)(CUstream *, unsigned);
    CUresult (*stream_free)(CUstream);
    CUresult (*capture_begin)(CUstream, CUstreamCaptureMode);
    CUresult (*capture_end)(CUstream, CUgraph *);
    CUresult (*graph_free)(CUgraph);
    CUresult (*exchange)(CUstreamCaptureMode *);
    CUcontext below, current;
} host_program;

#define NAME_OF(name)  NAME_OF_(name)
#define NAME_OF_(name) #name

/* Two contexts on this thread's stack. */
static bool begin(host_program *p) {
    static const char *const names[] = {"cuCtxCreate_v2",
                                        NAME_OF(cuCtxDestroy),
                                        NAME_OF(cuCtxPopCurrent),
                                        NAME_OF(cuStreamCreate),
                                        NAME_OF(cuStreamDestroy),
                                        NAME_OF(cuStreamBeginCapture),
                                        NAME_OF(cuStreamEndCapture),
                                        NAME_OF(cuGraphDestroy),
                                        NAME_OF(cuThreadExchangeStreamCaptureMode)};
    void *to[] = {&p->create,        &p->destroy,     &p->pop,        &p->stream_new, &p->stream_free,
                  &p->capture_begin, &p->capture_end, &p->graph_free, &p->exchange};
    p->library = dlopen(PAPER_CUDA, RTLD_NOW | RTLD_NOLOAD);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        void *symbol = p->library ? dlsym(p->library, names[i]) : NULL;
        if (!symbol)
            return false;
        memcpy(to[i], &symbol, sizeof symbol);
    }
    return p->create(&p->below, 0, 0) == CUDA_SUCCESS && p->create(&p->current, 0, 0) == CUDA_SUCCESS;
}

/* The stack is what it was: both, in their order, and no more. */
static bool end(host_program *p) {
    CUcontext first = NULL, second = NULL, third = NULL;
    bool is_whole = p->pop(&first) == CUDA_SUCCESS && p->pop(&second) == CUDA_SUCCESS && first == p->current &&
                    second == p->below && p->pop(&third) != CUDA_SUCCESS;
    bool is_gone = p->destroy(p->current) == CUDA_SUCCESS && p->destroy(p->below) == CUDA_SUCCESS;
    dlclose(p->library);
    return is_whole && is_gone;
}

static bool present(void) {
    paper(NULL, NULL);
    return device_is_present();
}

TEST(a_thread_keeps_its_contexts) {
    opened o;
    host_program p;
    bool right = false;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, "")); /* the driver is loaded */
    CHECK(begin(&p));
    close_all(&o);
    CHECK_OK(open_device(&o, ""));
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    close_all(&o);
    CHECK(end(&p));
    CHECK_INT(paper_misused(), 0);
}

TEST(a_thread_keeps_its_contexts_when_a_device_does_not_open) {
    static const char *const settings[] = {"PAPER_CONTEXT", "PAPER_LT_CREATE"};
    if (!present())
        SKIP("no device");
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        opened o, other;
        host_program p;
        CHECK_OK(open_device(&o, ""));
        CHECK(begin(&p));
        setenv(settings[i], i == 0 ? "2" : "3", 1);
        fr_status status = open_device(&other, "");
        unsetenv(settings[i]);
        CHECK(status != FR_OK || i == 1); /* built without cuBLASLt it opens */
        close_all(&other);
        CHECK(end(&p));
        close_all(&o);
        CHECK_INT(paper_misused(), 0);
    }
}

TEST(a_thread_without_a_context_has_none_afterwards) {
    opened o;
    host_program p;
    CUcontext none = NULL;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK(begin(&p));
    CHECK(end(&p));
    CHECK(p.pop(&none) == CUDA_ERROR_INVALID_CONTEXT);
    close_all(&o);
    CHECK(p.pop(&none) == CUDA_ERROR_INVALID_CONTEXT);
    CHECK_INT(paper_misused(), 0);
}

/* A capture in GLOBAL mode forbids the thread what we do all the time, such as allocating memory. */
TEST(a_capture_of_the_program_is_not_disturbed) {
    opened o;
    host_program p;
    CUstream stream;
    CUgraph graph = NULL;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    bool right = false;
    if (!present())
        SKIP("no device");
    CHECK_OK(open_device(&o, ""));
    CHECK(begin(&p));
    CHECK(p.stream_new(&stream, 0) == CUDA_SUCCESS);
    CHECK(p.capture_begin(stream, CU_STREAM_CAPTURE_MODE_GLOBAL) == CUDA_SUCCESS);
    CHECK_OK(pool_once(&o, &right));
    CHECK(right);
    CHECK(p.capture_end(stream, &graph) == CUDA_SUCCESS);
    CHECK(graph && p.graph_free(graph) == CUDA_SUCCESS);
    CHECK(p.stream_free(stream) == CUDA_SUCCESS);
    CHECK(p.exchange(&mode) == CUDA_SUCCESS && mode == CU_STREAM_CAPTURE_MODE_GLOBAL); /* as it was */
    CHECK(end(&p));
    close_all(&o);
    CHECK_INT(paper_misused(), 0);
}

CHECK_MAIN
