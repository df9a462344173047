/* What a device says of itself, for the engine (facts) and for the recipes (traits). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compile.h"
#include "cud.h"

enum {
    LEAST_ARCH = 70, /* Volta: its warps' lanes can take turns, which the kernels' collectives count on */
    FIRST_BF16 = 80, /* bf16 and tf32 came together */
    LANES = 2        /* one queue's copies run beside the other one's work */
};

static int ask(const fr_driver *driver, const cud_found *found, CUdevice_attribute what) {
    int value = 0;
    return driver->cu.cuDeviceGetAttribute(&value, what, found->device) == CUDA_SUCCESS ? value : 0;
}

static uint64_t ask_long(const fr_driver *driver, const cud_found *found, CUdevice_attribute what) {
    int value = ask(driver, found, what);
    return value > 0 ? (uint64_t)value : 0;
}

static void refuse(cud_found *found, const char *fmt, ...) FR_PRINTF(2, 3);

static void refuse(cud_found *found, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(found->why, sizeof found->why, fmt, args);
    va_end(args);
    found->status = FR_UNAVAILABLE;
}

void cud_facts_begin(const fr_driver *driver, cud_found *found) {
    fr_device_facts *facts = &found->facts;
    int major = ask(driver, found, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
    int minor = ask(driver, found, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
    facts->struct_bytes = sizeof *facts;
    found->arch = 10 * major + minor;
    found->status = FR_OK;
    if (driver->cu.cuDeviceGetName(facts->name, (int)sizeof facts->name, found->device) != CUDA_SUCCESS)
        (void)snprintf(facts->name, sizeof facts->name, "a device without a name");
    facts->name[sizeof facts->name - 1] = 0;
    if (found->arch < LEAST_ARCH)
        refuse(found, "%.80s: its compute capability is %d.%d; 7.0 (V100) or later is needed", facts->name, major,
               minor);
    else if (ask(driver, found, CU_DEVICE_ATTRIBUTE_COMPUTE_MODE) == CU_COMPUTEMODE_PROHIBITED)
        refuse(found, "%.80s: its compute mode is 'prohibited': nvidia-smi -c DEFAULT, as root, opens it to programs",
               facts->name);
}

/* After NVRTC was found: has it kernels for this one? */
static void judge(const fr_driver *driver, cud_found *found) {
    const cud_nvrtc *nvrtc = &driver->nvrtc;
    found->build_arch = cud_nvrtc_arch(nvrtc, found->arch);
    if (found->status != FR_OK || found->build_arch != 0)
        return;
    if (found->arch < 75)
        refuse(found,
               "%.80s: NVRTC %d.%d no longer compiles for it (sm_%d); NVRTC 12 does: pip install "
               "nvidia-cuda-nvrtc-cu12, and name the library's folder in FOLDRUN_CUDA_PATH",
               found->facts.name, nvrtc->major, nvrtc->minor, found->arch);
    else
        refuse(found, "%.80s: NVRTC %d.%d does not compile for it yet (sm_%d): install a newer NVRTC",
               found->facts.name, nvrtc->major, nvrtc->minor, found->arch);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* "CUDA 12.8, NVRTC 12.9, cuDNN 9.10.2, cuBLASLt 12.9.1": all that times and verdicts depend on. */
static void fill_driver_text(const fr_driver *driver, fr_device_facts *facts) {
    size_t used, bytes = sizeof facts->driver;
    int dnn = driver->dnn.version, lt = (int)driver->lt.version;
    (void)snprintf(facts->driver, bytes, "CUDA %d.%d, NVRTC %d.%d", driver->cu.version / 1000,
                   driver->cu.version / 10 % 100, driver->nvrtc.major, driver->nvrtc.minor);
    used = strlen(facts->driver);
    if (driver->dnn.library)
        (void)snprintf(facts->driver + used, bytes - used, ", cuDNN %d.%d.%d", dnn / 10000, dnn / 100 % 100, dnn % 100);
    used = strlen(facts->driver);
    if (driver->lt.library)
        (void)snprintf(facts->driver + used, bytes - used, ", cuBLASLt %d.%d.%d", lt / 10000, lt / 100 % 100, lt % 100);
}

static void fill_uuid(const fr_driver *driver, cud_found *found) {
    fr_device_facts *facts = &found->facts;
    CUuuid uuid;
    char pci[32] = "";
    if (driver->cu.cuDeviceGetUuid(&uuid, found->device) == CUDA_SUCCESS) {
        for (int i = 0; i < 16; i++)
            (void)snprintf(facts->uuid + 2 * i, 3, "%02x", (unsigned char)uuid.bytes[i]);
    } else if (driver->cu.cuDeviceGetPCIBusId(pci, (int)sizeof pci, found->device) == CUDA_SUCCESS) {
        (void)snprintf(facts->uuid, sizeof facts->uuid, "pci %.31s", pci);
    }
}

static void fill_features(const fr_driver *driver, cud_found *found) {
    const gpu_traits *traits = &found->traits;
    fr_device_facts *facts = &found->facts;
    gpu_add_feature(facts, "sm_%d", found->arch);
    if (found->build_arch != found->arch && found->build_arch != 0)
        gpu_add_feature(facts, "kernels of sm_%d", found->build_arch);
    gpu_add_feature(facts, "%llu KiB shared memory", (unsigned long long)traits->shared_bytes / 1024);
    if (traits->mma > 0)
        gpu_add_feature(facts, "tensor cores");
    if (found->has_bf16)
        gpu_add_feature(facts, "bf16");
    if (found->has_tf32)
        gpu_add_feature(facts, "tf32");
    if (traits->dot8)
        gpu_add_feature(facts, "int dot");
    if (driver->dnn.library)
        gpu_add_feature(facts, "cuDNN");
    else
        gpu_add_feature(facts, "no cuDNN (--verbose says why)");
    if (driver->lt.library)
        gpu_add_feature(facts, "cuBLASLt");
    else
        gpu_add_feature(facts, "no cuBLASLt (--verbose says why)");
    if (!cud_without("graphs"))
        gpu_add_feature(facts, "graphs");
    if (!cud_without("pinned"))
        gpu_add_feature(facts, "pinned staging");
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void fill_numbers(const fr_driver *driver, cud_found *found) {
    fr_device_facts *facts = &found->facts;
    size_t memory = 0;
    facts->kind = ask(driver, found, CU_DEVICE_ATTRIBUTE_INTEGRATED) ? FR_DEVICE_INTEGRATED : FR_DEVICE_GPU;
    facts->units = (uint32_t)ask_long(driver, found, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
    facts->lanes = LANES;
    found->has_bf16 = found->has_tf32 = found->arch >= FIRST_BF16;
    facts->precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_F16 | 1u << FR_PRECISION_INT8;
    if (found->has_bf16)
        facts->precisions |= 1u << FR_PRECISION_BF16 | 1u << FR_PRECISION_TF32;
    if (driver->cu.cuDeviceTotalMem(&memory, found->device) == CUDA_SUCCESS)
        facts->memory_bytes = memory;
    found->cache_bytes = ask_long(driver, found, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
    facts->cache_bytes[0] = ask_long(driver, found, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR);
    facts->cache_bytes[2] = found->cache_bytes;
}

void cud_facts_fill(const fr_driver *driver, cud_found *found) {
    cud_abilities abilities = {
        .arch = found->arch, .has_gemm = driver->lt.library != NULL, .without_mma = cud_without("mma")};
    (void)snprintf(found->facts.vendor, sizeof found->facts.vendor, "NVIDIA");
    fill_numbers(driver, found);
    judge(driver, found);
    abilities.units = found->facts.units;
    abilities.shared_bytes = ask_long(driver, found, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
    cud_traits_fill(&abilities, &found->traits);
    fill_driver_text(driver, &found->facts);
    fill_uuid(driver, found);
    fill_features(driver, found);
}
