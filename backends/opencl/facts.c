/* What a device says of itself, for the engine (facts) and for the recipes (traits). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opencl.h"

enum { SPARED_LOCAL = 1024 };

enum { /* of extensions and of OpenCL 3.0: asked for only where they are reported */
       DEVICE_UUID = 0x106A,
       DEVICE_PCI_BUS_INFO = 0x410F,
       NV_PCI_BUS_ID = 0x4008,
       NV_PCI_SLOT_ID = 0x4009,
       NV_PCI_DOMAIN_ID = 0x400A,
       NV_WARP_SIZE = 0x4003,
       AMD_TOPOLOGY = 0x4037,
       AMD_WAVEFRONT_WIDTH = 0x4043,
       INTEL_SUB_GROUP_SIZES = 0x4108,
       INTEGER_DOT_CAPABILITIES = 0x1073
};

typedef struct asked { /* whom the questions below are put to */
    const ocl_api *cl;
    cl_device_id device;
    char extensions[16384];
} asked;

static bool ask(const asked *a, cl_device_info what, size_t bytes, void *out) {
    memset(out, 0, bytes);
    return a->cl->clGetDeviceInfo(a->device, what, bytes, out, NULL) == CL_SUCCESS;
}

static uint64_t ask_long(const asked *a, cl_device_info what) {
    cl_ulong value = 0;
    return ask(a, what, sizeof value, &value) ? value : 0;
}

static cl_uint ask_int(const asked *a, cl_device_info what) {
    cl_uint value = 0;
    return ask(a, what, sizeof value, &value) ? value : 0;
}

/* One line without spaces at its ends. */
static void ask_text(const asked *a, cl_device_info what, char *out, size_t bytes) {
    char text[1024];
    size_t used = 0;
    if (a->cl->clGetDeviceInfo(a->device, what, sizeof text - 1, text, &used) != CL_SUCCESS)
        used = 0;
    text[used < sizeof text ? used : sizeof text - 1] = 0;
    char *begin = text + strspn(text, " \t\n"), *end = begin + strlen(begin);
    while (end > begin && strchr(" \t\n", end[-1]))
        *--end = 0;
    snprintf(out, bytes, "%.*s", (int)(bytes - 1), begin);
}

static bool has(const asked *a, const char *extension) {
    size_t length = strlen(extension);
    for (const char *at = a->extensions; (at = strstr(at, extension)) != NULL; at += length)
        if ((at == a->extensions || at[-1] == ' ') && (at[length] == ' ' || at[length] == 0))
            return true;
    return false;
}

static int parse_version(const char *text) { /* "OpenCL 1.2 ..." -> 120 */
    int major = 0, minor = 0;
    return sscanf(text, "OpenCL %d.%d", &major, &minor) == 2 ? major * 100 + minor * 10 : 0;
}

static uint32_t kind_of(const asked *a, cl_device_type type) {
    if (type & CL_DEVICE_TYPE_CPU)
        return FR_DEVICE_CPU;
    if (type & CL_DEVICE_TYPE_GPU)
        return ask_int(a, CL_DEVICE_HOST_UNIFIED_MEMORY) ? FR_DEVICE_INTEGRATED : FR_DEVICE_GPU;
    return FR_DEVICE_OTHER;
}

/* The PCI address, in the same spelling for all vendors. */
static void fill_pci(const asked *a, ocl_found *found) {
    unsigned char topology[24];
    cl_uint pci[4], bus;
    char *out = found->pci;
    size_t bytes = sizeof found->pci;
    if (has(a, "cl_khr_pci_bus_info") && ask(a, DEVICE_PCI_BUS_INFO, sizeof pci, pci)) {
        snprintf(out, bytes, "pci %04x:%02x:%02x.%x", pci[0] & 0xffff, pci[1] & 0xff, pci[2] & 0xff, pci[3] & 7);
    } else if (has(a, "cl_nv_device_attribute_query") && ask(a, NV_PCI_BUS_ID, sizeof bus, &bus)) {
        cl_uint slot = ask_int(a, NV_PCI_SLOT_ID);
        snprintf(out, bytes, "pci %04x:%02x:%02x.%x", ask_int(a, NV_PCI_DOMAIN_ID) & 0xffff, bus & 0xff,
                 slot >> 3 & 0xff, slot & 7);
    } else if (has(a, "cl_amd_device_attribute_query") && ask(a, AMD_TOPOLOGY, sizeof topology, topology)) {
        snprintf(out, bytes, "pci 0000:%02x:%02x.%x", topology[21], topology[22], topology[23] & 7);
    }
}

static void fill_uuid(const asked *a, ocl_found *found) {
    unsigned char uuid[16];
    fill_pci(a, found);
    snprintf(found->facts.uuid, sizeof found->facts.uuid, "%s", found->pci);
    if (has(a, "cl_khr_device_uuid") && ask(a, DEVICE_UUID, sizeof uuid, uuid))
        for (int i = 0; i < 16; i++)
            snprintf(found->facts.uuid + 2 * i, 3, "%02x", uuid[i]);
}

static uint32_t subgroup_size(const asked *a) {
    size_t sizes[8] = {0};
    if (has(a, "cl_nv_device_attribute_query"))
        return ask_int(a, NV_WARP_SIZE);
    if (has(a, "cl_amd_device_attribute_query"))
        return ask_int(a, AMD_WAVEFRONT_WIDTH);
    if (has(a, "cl_intel_required_subgroup_size") && ask(a, INTEL_SUB_GROUP_SIZES, sizeof sizes, sizes))
        return (uint32_t)sizes[0];
    return 0;
}

static int32_t native_vector(const asked *a) {
    cl_uint lanes = ask_int(a, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    return lanes >= 16 ? 16 : lanes >= 8 ? 8 : 4;
}

static void fill_traits(const asked *a, ocl_found *found, bool gemm_library) {
    gpu_traits *traits = &found->traits;
    size_t items = 0;
    cl_bitfield dot = 0;
    traits->is_cpu = found->facts.kind == FR_DEVICE_CPU;
    traits->vec = traits->is_cpu ? native_vector(a) : 4;
    traits->max_vec = 16;
    traits->narrow = true; /* vload_half and the byte types are in OpenCL 1.0 */
    traits->units = found->facts.units;
    traits->max_items = ask(a, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof items, &items) ? (uint32_t)items : 1;
    traits->subgroup = subgroup_size(a);
    traits->local_bytes = ask_long(a, CL_DEVICE_LOCAL_MEM_SIZE);
    if (traits->local_bytes > SPARED_LOCAL && !traits->is_cpu) /* drivers keep some of it for themselves */
        traits->local_bytes -= SPARED_LOCAL;
    traits->real_local = ask_int(a, CL_DEVICE_LOCAL_MEM_TYPE) == CL_LOCAL;
    traits->half_math = has(a, "cl_khr_fp16");
    traits->dot8 = has(a, "cl_khr_integer_dot_product") && ask(a, INTEGER_DOT_CAPABILITIES, sizeof dot, &dot) &&
                   (dot & 1); /* packed */
    traits->gemm_library = gemm_library;
}

static void fill_features(const asked *a, ocl_found *found) {
    const gpu_traits *traits = &found->traits;
    fr_device_facts *facts = &found->facts;
    char language[64];
    ask_text(a, CL_DEVICE_OPENCL_C_VERSION, language, sizeof language);
    gpu_add_feature(facts, "%.12s", language); /* "OpenCL C 1.2" and no more */
    gpu_add_feature(facts, "%d-wide vectors", traits->vec);
    gpu_add_feature(facts, "%llu KiB %slocal memory", (unsigned long long)traits->local_bytes / 1024,
                    traits->real_local ? "" : "emulated ");
    if (traits->half_math)
        gpu_add_feature(facts, "fp16");
    if (traits->dot8)
        gpu_add_feature(facts, "int dot");
    if (traits->subgroup > 0)
        gpu_add_feature(facts, "subgroups of %u", traits->subgroup);
    if (traits->gemm_library)
        gpu_add_feature(facts, "CLBlast");
}

/* OpenCL tells one cache: the last level. A CPU's others are the system's to tell. */
static void fill_caches(const asked *a, fr_device_facts *facts) {
    facts->cache_bytes[2] = ask_long(a, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE);
    if (facts->kind != FR_DEVICE_CPU)
        return;
    long level1 = sysconf(_SC_LEVEL1_DCACHE_SIZE), level2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
    facts->cache_bytes[0] = level1 > 0 ? (uint64_t)level1 : 0;
    facts->cache_bytes[1] = level2 > 0 ? (uint64_t)level2 : 0;
}

/* "PoCL 3.1+debian, OpenCL 3.0" */
static void fill_driver_text(const asked *a, ocl_found *found) {
    char platform[64] = "", version[32], device_version[128];
    size_t used = 0;
    if (a->cl->clGetPlatformInfo(found->platform, CL_PLATFORM_NAME, sizeof platform - 1, platform, &used) != CL_SUCCESS)
        platform[0] = 0;
    ask_text(a, CL_DRIVER_VERSION, version, sizeof version);
    ask_text(a, CL_DEVICE_VERSION, device_version, sizeof device_version);
    found->runs_binaries = strcmp(platform, "Portable Computing Language") == 0;
    const char *name = found->runs_binaries ? "PoCL" : platform;
    found->version = parse_version(device_version);
    snprintf(found->facts.driver, sizeof found->facts.driver, "%s %s, OpenCL %d.%d", name, version,
             found->version / 100, found->version / 10 % 10);
}

static void refuse(ocl_found *found, const char *fmt, ...) FR_PRINTF(2, 3);

static void refuse(ocl_found *found, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(found->why, sizeof found->why, fmt, args);
    va_end(args);
    found->status = FR_UNAVAILABLE;
}

static void judge(const asked *a, ocl_found *found) {
    const fr_device_facts *facts = &found->facts;
    found->status = FR_OK;
    if (found->version < 120)
        refuse(found, "%s (%s): its OpenCL is older than 1.2, the least that is needed: install a newer driver",
               facts->name, facts->driver);
    else if (!ask_int(a, CL_DEVICE_AVAILABLE))
        refuse(found, "%s (%s): the driver says that the device is not available now", facts->name, facts->driver);
    else if (!ask_int(a, CL_DEVICE_COMPILER_AVAILABLE))
        refuse(found, "%s (%s): the driver has no compiler: install its full version", facts->name, facts->driver);
    else if (!ask_int(a, CL_DEVICE_ENDIAN_LITTLE))
        refuse(found, "%s (%s): the device is big-endian, which is not supported", facts->name, facts->driver);
}

void ocl_facts_fill(const fr_driver *driver, ocl_found *found) {
    fr_device_facts *facts = &found->facts;
    asked a = {.cl = &driver->cl, .device = found->device};
    cl_device_type type = ask_long(&a, CL_DEVICE_TYPE);
    a.cl->clGetDeviceInfo(a.device, CL_DEVICE_EXTENSIONS, sizeof a.extensions - 1, a.extensions, NULL);
    facts->struct_bytes = sizeof *facts;
    facts->kind = kind_of(&a, type);
    found->is_gpu = facts->kind != FR_DEVICE_CPU;
    /* never UNIFIED: OpenCL 1.2 lets no host address of a buffer be used while kernels work on it */
    facts->flags = found->is_gpu ? 0u : (uint32_t)FR_DEVICE_SOFTWARE;
    facts->units = ask_int(&a, CL_DEVICE_MAX_COMPUTE_UNITS);
    facts->lanes = 1;
    facts->precisions = 1u << FR_PRECISION_F32 | 1u << FR_PRECISION_F16 | 1u << FR_PRECISION_INT8;
    facts->memory_bytes = ask_long(&a, CL_DEVICE_GLOBAL_MEM_SIZE);
    found->max_alloc = ask_long(&a, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    ask_text(&a, CL_DEVICE_NAME, facts->name, sizeof facts->name);
    ask_text(&a, CL_DEVICE_VENDOR, facts->vendor, sizeof facts->vendor);
    fill_caches(&a, facts);
    fill_driver_text(&a, found);
    fill_uuid(&a, found);
    fill_traits(&a, found, driver->blast.library != NULL);
    fill_features(&a, found);
    judge(&a, found);
    snprintf(found->options, sizeof found->options, "-w -cl-std=CL%s",
             found->traits.dot8 && found->version >= 300 ? "3.0" : "1.2");
}
