/* Work of the fake libraries in a stream of the fake driver: libcuda.so.1 in the same folder, which is loaded by then. */
#ifndef PAPER_STREAM_H
#define PAPER_STREAM_H

#include <cuda.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* `here`: any address in the calling library. While the stream is recorded the work is done at each replay: `user` stays. */
static inline CUresult paper_stream_run(const void *here, CUstream stream, void (*work)(void *), void *user) {
    CUresult (*run_on)(CUstream, void (*)(void *), void *);
    char path[1024];
    Dl_info info;
    if (!dladdr(here, &info) || !info.dli_fname)
        return CUDA_ERROR_NOT_FOUND;
    const char *slash = strrchr(info.dli_fname, '/');
    if (!slash || snprintf(path, sizeof path, "%.*s/libcuda.so.1", (int)(slash - info.dli_fname), info.dli_fname) >=
                      (int)sizeof path)
        return CUDA_ERROR_NOT_FOUND;
    void *driver = dlopen(path, RTLD_NOW | RTLD_NOLOAD), *symbol = driver ? dlsym(driver, "paper_run_on") : NULL;
    if (!symbol)
        return CUDA_ERROR_NOT_FOUND;
    memcpy(&run_on, &symbol, sizeof symbol);
    CUresult result = run_on(stream, work, user);
    (void)dlclose(driver);
    return result;
}

#endif
