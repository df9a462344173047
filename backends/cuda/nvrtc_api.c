/* NVRTC, the compiler of kernels. Two versions of it may be there; the driver and the devices decide between them. */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "cud.h"

#define CUD_NAME_OF(name)  CUD_NAME_OF_(name)
#define CUD_NAME_OF_(name) #name

enum { N_MAJORS = 2 };

static const struct {
    int major;
    const char *const names[2];
} majors[N_MAJORS] = {{13, {"libnvrtc.so.13", NULL}}, {12, {"libnvrtc.so.12", NULL}}};

static bool take_all(cud_nvrtc *nvrtc) {
    char why[96];
    void *symbol;
#define CUD_TAKE(name)                                                                \
    symbol = cud_symbol(nvrtc->library, CUD_NAME_OF(name), why, sizeof why);          \
    if (!symbol) {                                                                    \
        (void)snprintf(nvrtc->why, sizeof nvrtc->why, "NVRTC is of no use: %s", why); \
        return false;                                                                 \
    }                                                                                 \
    memcpy(&nvrtc->name, &symbol, sizeof symbol); /* no cast to a function's address */
    CUD_NVRTC_FUNCTIONS(CUD_TAKE)
#undef CUD_TAKE
    return true;
}

static bool ask(cud_nvrtc *nvrtc) {
    enum { MOST = sizeof nvrtc->archs / sizeof nvrtc->archs[0] };
    int archs[MOST], count = 0;
    if (nvrtc->nvrtcVersion(&nvrtc->major, &nvrtc->minor) != NVRTC_SUCCESS ||
        nvrtc->nvrtcGetNumSupportedArchs(&count) != NVRTC_SUCCESS || count <= 0 || count > MOST ||
        nvrtc->nvrtcGetSupportedArchs(archs) != NVRTC_SUCCESS) {
        (void)snprintf(nvrtc->why, sizeof nvrtc->why, "NVRTC is of no use: it does not say what it compiles for");
        return false;
    }
    nvrtc->n_archs = count;
    for (int i = 0; i < count; i++)
        nvrtc->archs[i] = archs[i];
    return true;
}

static bool begin(void *library, cud_nvrtc *out) {
    memset(out, 0, sizeof *out);
    out->library = library;
    if (take_all(out) && ask(out))
        return true;
    (void)dlclose(library);
    out->library = NULL;
    return false;
}

static uint32_t known_of(const cud_nvrtc *nvrtc, const int32_t *archs, uint32_t n_archs) {
    uint32_t known = 0;
    for (uint32_t i = 0; i < n_archs; i++)
        known += cud_nvrtc_arch(nvrtc, archs[i]) != 0;
    return known;
}

/* The better of the one kept and what that library is. */
static void keep_better(const fr_host *host, void *library, const char *name, const int32_t *archs, uint32_t n_archs,
                        cud_nvrtc *kept) {
    cud_nvrtc other;
    if (!begin(library, &other)) {
        host->log(1, "cuda: %s: %s", name, other.why);
    } else if (!kept->library || known_of(&other, archs, n_archs) > known_of(kept, archs, n_archs)) {
        cud_nvrtc_close(kept);
        *kept = other;
    } else {
        cud_nvrtc_close(&other);
    }
}

static void say_why(int driver_version, int too_new, cud_nvrtc *out) {
    int wanted = driver_version >= 13000 ? 13 : 12;
    if (too_new > 0)
        (void)snprintf(out->why, sizeof out->why,
                       "NVRTC %d was found, which this driver (CUDA %d.%d) is too old for: install NVRTC 12, pip "
                       "install nvidia-cuda-nvrtc-cu12",
                       too_new, driver_version / 1000, driver_version / 10 % 100);
    else
        (void)snprintf(out->why, sizeof out->why,
                       "no NVRTC (libnvrtc.so.%d): install the CUDA toolkit, or pip install %s and name the library's "
                       "folder in FOLDRUN_CUDA_PATH",
                       wanted, wanted == 13 ? "nvidia-cuda-nvrtc" : "nvidia-cuda-nvrtc-cu12");
}

void cud_nvrtc_open(const fr_host *host, int driver_version, const int32_t *archs, uint32_t n_archs,
                    cud_nvrtc *out_nvrtc) {
    void *libraries[N_MAJORS] = {NULL};
    bool is_named = false; /* then it is the one that is meant */
    int too_new = 0;
    memset(out_nvrtc, 0, sizeof *out_nvrtc);
    for (int i = 0; i < N_MAJORS && !cud_without("nvrtc"); i++) {
        libraries[i] = cud_library_open_named(majors[i].names);
        is_named |= libraries[i] != NULL;
    }
    for (int i = 0; i < N_MAJORS && !is_named && !cud_without("nvrtc"); i++)
        libraries[i] = cud_library_open(majors[i].names);
    for (int i = 0; i < N_MAJORS; i++) {
        if (libraries[i] && majors[i].major > driver_version / 1000) { /* its kernels do not load there */
            too_new = majors[i].major;
            (void)dlclose(libraries[i]);
        } else if (libraries[i]) {
            keep_better(host, libraries[i], majors[i].names[0], archs, n_archs, out_nvrtc);
        }
    }
    if (!out_nvrtc->library)
        say_why(driver_version, too_new, out_nvrtc);
}

void cud_nvrtc_close(cud_nvrtc *nvrtc) {
    if (nvrtc->library)
        (void)dlclose(nvrtc->library);
    memset(nvrtc, 0, sizeof *nvrtc);
}

/* Tegra's run no kernels of their generation's others, and the others none of theirs. */
static bool stands_alone(int32_t arch) {
    return arch == 72 || arch == 87;
}

int32_t cud_nvrtc_arch(const cud_nvrtc *nvrtc, int32_t arch) {
    int32_t best = 0;
    for (int32_t i = 0; i < nvrtc->n_archs; i++) {
        int32_t known = nvrtc->archs[i];
        if (known == arch)
            return arch;
        if (known < arch && known / 10 == arch / 10 && known > best && !stands_alone(known) && !stands_alone(arch))
            best = known;
    }
    return best;
}
