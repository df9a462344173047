#include "compile.h"

#include <stdio.h>
#include <string.h>

#include "gpu/built.h"

void cud_traits_fill(const cud_abilities *has, gpu_traits *out) {
    static const int32_t generations[] = {70, 75, 80, 90};
    *out = (gpu_traits){.vec = 4,
                        .max_vec = 4,
                        .units = has->units,
                        .max_items = 1024,
                        .subgroup = 32,
                        .local_bytes = CUD_STATIC_SHARED_BYTES,
                        .shared_bytes = has->shared_bytes,
                        .real_local = true,
                        .lockstep = true,
                        .narrow = true,
                        .bf16 = true,
                        .dot8 = has->arch >= 61,
                        .tf32 = has->arch >= 80,
                        .gemm_library = has->has_gemm};
    for (size_t i = 0; i < sizeof generations / sizeof generations[0]; i++)
        if (has->arch >= generations[i] && !has->without_mma)
            out->mma = generations[i];
}

int32_t cud_compile_options(int32_t arch, char text[CUD_MAX_OPTIONS][CUD_OPTION_BYTES]) {
    int32_t count = 0;
    (void)snprintf(text[count++], CUD_OPTION_BYTES, "--gpu-architecture=sm_%d", arch);
    (void)snprintf(text[count++], CUD_OPTION_BYTES, "--std=c++17");
    (void)snprintf(text[count++], CUD_OPTION_BYTES, "--device-as-default-execution-space");
    (void)snprintf(text[count++], CUD_OPTION_BYTES,
                   "--prec-div=false"); /* as in OpenCL: no call behind each division */
    return count;
}

/* ---- NVRTC ---------------------------------------------------------------------------------------------------------- */

static fr_status check(const fr_host *host, const cud_nvrtc *nvrtc, nvrtcResult code, const char *call,
                       const char *name) {
    if (code == NVRTC_SUCCESS)
        return FR_OK;
    return host_fail(host, code == NVRTC_ERROR_OUT_OF_MEMORY ? FR_NO_MEMORY : FR_INTERNAL, "cuda: %s for %s: %s", call,
                     name, nvrtc->nvrtcGetErrorString(code));
}

static void read_log(const fr_host *host, const cud_nvrtc *nvrtc, nvrtcProgram program, cud_code *code) {
    size_t bytes = 0;
    if (nvrtc->nvrtcGetProgramLogSize(program, &bytes) != NVRTC_SUCCESS || bytes <= 1)
        return;
    code->log = host->alloc(bytes + 1, 0); /* the size counts the closing 0 in some versions */
    if (code->log && nvrtc->nvrtcGetProgramLog(program, code->log) != NVRTC_SUCCESS)
        code->log[0] = '\0';
}

static fr_status read_cubin(const fr_host *host, const cud_nvrtc *nvrtc, nvrtcProgram program, const char *name,
                            cud_code *code) {
    size_t bytes = 0;
    void *block;
    HOST_TRY(check(host, nvrtc, nvrtc->nvrtcGetCUBINSize(program, &bytes), "nvrtcGetCUBINSize", name));
    HOST_TRY(host_alloc(host, bytes, "a kernel's machine code", &block));
    code->cubin = block;
    code->bytes = bytes;
    return check(host, nvrtc, nvrtc->nvrtcGetCUBIN(program, code->cubin), "nvrtcGetCUBIN", name);
}

static fr_status compile(const fr_host *host, const cud_nvrtc *nvrtc, nvrtcProgram program, int32_t arch,
                         const char *name, const char *const *more, int n_more, cud_code *code) {
    enum { MORE = 8 };
    char text[CUD_MAX_OPTIONS][CUD_OPTION_BYTES], words[256] = "";
    const char *options[CUD_MAX_OPTIONS + MORE];
    int count = (int)cud_compile_options(arch, text);
    for (int i = 0; i < count; i++)
        options[i] = text[i];
    for (int i = 0; i < n_more && i < MORE; i++)
        options[count++] = more[i];
    nvrtcResult result = nvrtc->nvrtcCompileProgram(program, count, options);
    read_log(host, nvrtc, program, code);
    if (result == NVRTC_SUCCESS)
        return read_cubin(host, nvrtc, program, name, code);
    if (code->log) {
        gpu_log_lines(host, "cuda", code->log);
        gpu_log_words(code->log, words, sizeof words);
    }
    if (result == NVRTC_ERROR_OUT_OF_MEMORY)
        return check(host, nvrtc, result, "nvrtcCompileProgram", name);
    return host_fail(host, FR_UNSUPPORTED, "cuda: %s does not build for sm_%d with NVRTC %d.%d (%s): %s", name, arch,
                     nvrtc->major, nvrtc->minor, nvrtc->nvrtcGetErrorString(result),
                     words[0] ? words : "the compiler gives no reason");
}

fr_status cud_compile_text(const fr_host *host, const cud_nvrtc *nvrtc, int32_t arch, const char *name,
                           const char *source, const char *const *more, int n_more, cud_code *out_code) {
    nvrtcProgram program = NULL;
    *out_code = (cud_code){0};
    fr_status status = check(host, nvrtc, nvrtc->nvrtcCreateProgram(&program, source, name, 0, NULL, NULL),
                             "nvrtcCreateProgram", name);
    if (status == FR_OK)
        status = compile(host, nvrtc, program, arch, name, more, n_more, out_code);
    if (program)
        (void)nvrtc->nvrtcDestroyProgram(&program);
    if (status != FR_OK && out_code->cubin) {
        host->free(out_code->cubin);
        out_code->cubin = NULL;
    }
    return status;
}

void cud_code_free(const fr_host *host, cud_code *code) {
    if (code->cubin)
        host->free(code->cubin);
    if (code->log)
        host->free(code->log);
    *code = (cud_code){0};
}
