/*
 * Our graphs before the real cuDNN. It builds plans for devices that are described to it and are not there (9.8 and later), so
 * this needs the library and no GPU: each convolution of the conformance suite and of the zoo's small models, in each way that
 * would be offered, must be a graph it takes; it has an engine that keeps to the rules, of which it makes a plan, and the plan
 * can be kept as text. DNN_REAL_TRACE=1 lists them,
 * DNN_REAL_CASE=TEXT takes all whose name contains it, else a sample.
 */
#include <unistd.h>

#include "check.h"
#include "cuda/dnn_op.h"
#include "cases.h"
#include "run/host.h"
#include "zoo_steps.h"

#if defined(CUDA_WITH_CUDNN) && CUDNN_VERSION >= 90800

static const struct {
    int version, units, smem;
    const char *name;
    bool has_bf16;
} archs[] = {{750, 40, 65536, "Tesla T4", false},
             {800, 108, 166912, "NVIDIA A100-SXM4-80GB", true},
             {890, 58, 101376, "NVIDIA L4", true},
             {900, 132, 232448, "NVIDIA H200", true}};
enum { N_ARCHS = sizeof archs / sizeof archs[0], NEWEST_DRIVER = 99000 };

static fr_host host;
static fr_driver driver;
static cud_found found;
static fr_device device;
static bool is_traced;

/* The ways' table names it; nothing is made here. */
fr_status dnn_make(fr_device *dev, const fr_step *step, const cud_way *way, const fr_weights *weights,
                   cud_op **out_op) {
    (void)dev;
    (void)step;
    (void)way;
    (void)weights;
    *out_op = NULL;
    return FR_INTERNAL;
}

static bool open_library(void) {
    static char nothing[8];
    host = fr_host_make(NULL);
    is_traced = getenv("DNN_REAL_TRACE") != NULL;
    if (!driver.dnn.library)
        cud_dnn_api_open(&host, NEWEST_DRIVER, &driver.dnn);
    device.driver = &driver;
    device.found = &found;
    device.base.host = &host;
    device.dnn = (cud_dnn *)(void *)nothing; /* it is there: no more is asked of it */
    return driver.dnn.library && driver.dnn.version >= 90800;
}

/* As cuDNN itself writes down a device. */
static fr_status describe(const dnn_lib *lib, int at, cudnnBackendDescriptor_t *out) {
    char text[1024];
    int length = snprintf(
        text, sizeof text,
        "{\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],\"regsPerBlock\":65536,"
        "\"multiProcessorCount\":%d,\"warpSize\":32,\"maxSharedMemoryPerBlock\":49152,"
        "\"maxSharedMemoryPerBlockOptin\":%d,\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,"
        "\"maxCtasPerSM\":32,\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,\"isTccDriver\":0,"
        "\"supportCoopLaunch\":1,\"totalGlobalMem\":80000000000,\"smClockRateKHz\":1500000,"
        "\"memClockRateKHz\":2000000,\"l2CacheSize\":50000000,\"cudaDeviceId\":0,\"deviceVer\":%d,"
        "\"driverVer\":13000,\"deviceName\":\"%s\"}",
        archs[at].units, archs[at].smem, archs[at].version, archs[at].name);
    const cud_dnn_api *api = lib->api;
    *out = NULL;
    HOST_TRY(dnn_check(lib, api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, out), "create",
                       "a device"));
    HOST_TRY(dnn_check(
        lib,
        api->cudnnBackendSetAttribute(*out, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, length, text),
        "set", "a device"));
    return dnn_check(lib, api->cudnnBackendFinalize(*out), "finalize", "a device");
}

static void stand_on(int at) {
    memset(&found, 0, sizeof found);
    found.arch = archs[at].version / 10;
    found.has_tf32 = found.has_bf16 = archs[at].has_bf16;
    found.traits.units = (uint32_t)archs[at].units;
}

typedef struct tally {
    int offered, without_engine, with_plan, kept;
    int missing; /* of those that have engines compiled beforehand; the others' are compiled with the driver's help */
} tally;

static fr_step settled(const fr_step *step, const fr_candidate *c) {
    fr_step s = *step;
    for (int32_t i = 0; i < s.n_src; i++)
        s.src[i].layout = c->src_layout[i];
    s.dst.layout = c->dst_layout;
    return s;
}

/* Is it kept as text, and taken back? */
static bool survives(const dnn_lib *lib, const dnn_plan *plan, const dnn_rules *rules) {
    dnn_plan again;
    char *text = NULL;
    int64_t bytes = 0;
    if (dnn_plan_save(lib, plan, &text, &bytes) != FR_OK)
        return false;
    bool good = dnn_plan_load(lib, text, bytes, rules, &again) == FR_OK && again.workspace == plan->workspace;
    if (good)
        dnn_plan_free(lib, &again);
    host.free(text);
    return good;
}

static fr_status try_way(const dnn_lib *lib, const cud_way *way, const conf_case *from, tally *t) {
    fr_candidate candidate = {.struct_bytes = sizeof candidate};
    double ns = 0;
    way->fit(&device, &from->step, way, &candidate, &ns);
    if (candidate.refused)
        return FR_OK;
    fr_step step = settled(&from->step, &candidate);
    int32_t flags = way->option[DNN_FLAGS];
    dnn_shape shape = dnn_shape_of(&step, flags);
    const dnn_rules rules = dnn_rules_of(&shape, flags);
    dnn_graph graph;
    dnn_configs configs = {.count = 0};
    dnn_plan plan = {.plan = NULL};
    HOST_TRY(dnn_graph_new(lib, &shape, &graph));
    t->offered++;
    fr_status status = dnn_configs_add(lib, &graph, CUDNN_HEUR_MODE_A, &rules, &configs);
    if (status == FR_OK)
        status = dnn_configs_add(lib, &graph, CUDNN_HEUR_MODE_FALLBACK, &rules, &configs);
    for (int32_t i = 0; i < configs.count && status == FR_OK && !plan.plan; i++) {
        fr_status made = dnn_plan_new(lib, &configs, i, &rules, &plan);
        status = made == FR_NO_MEMORY ? made : FR_OK; /* what is compiled here is loaded into a device */
    }
    if (is_traced)
        printf("  %-14s %-70s %2d configs, %s, %lld bytes\n", way->name, from->name, configs.count,
               plan.plan ? plan.name : "NO PLAN", (long long)plan.workspace);
    t->without_engine += plan.plan == NULL;
    t->missing += !plan.plan && !(flags & (DNN_WINOGRAD | DNN_F32_BIAS)) && step.act != FR_ACT_LEAKY;
    t->with_plan += plan.plan != NULL;
    t->kept += plan.plan && survives(lib, &plan, &rules);
    dnn_plan_free(lib, &plan);
    dnn_configs_free(lib, &configs);
    dnn_graph_free(lib, &graph);
    return status;
}

TEST(graphs_become_plans_of_real_engines) {
    conf_list cases;
    cudnnBackendDescriptor_t properties;
    if (!open_library())
        SKIP(driver.dnn.library ? "cuDNN 9.8 is the first that plans for a device that is not there" : driver.dnn.why);
    CHECK(conf_cases_build(&cases) == FR_OK && zoo_steps_add(&cases) == FR_OK);
    const char *only = getenv("DNN_REAL_CASE");
    size_t stride = only ? 1 : 67;
    for (int a = 0; a < N_ARCHS; a++) {
        dnn_lib lib = {.host = &host, .api = &driver.dnn};
        CHECK(describe(&lib, a, &properties) == FR_OK);
        lib.properties = properties;
        stand_on(a);
        for (int32_t w = 0; w < cud_n_dnn_ways; w++) {
            tally t = {0};
            if (cud_dnn_ways[w].option[DNN_FLAGS] & DNN_BEST && !(cud_dnn_ways[w].option[DNN_FLAGS] & ~DNN_BEST))
                continue; /* the same graphs */
            for (size_t i = 0; i < cases.count; i++) {
                if (cases.items[i].step.kind != FR_STEP_CONV || i % stride != (size_t)a % stride ||
                    (only && !strstr(cases.items[i].name, only)))
                    continue;
                fr_status status = try_way(&lib, &cud_dnn_ways[w], &cases.items[i], &t);
                if (status != FR_OK)
                    fprintf(stderr, "%s, %s, %s\n", archs[a].name, cud_dnn_ways[w].name, cases.items[i].name);
                CHECK(status == FR_OK);
            }
            printf("  %-22s %-14s %4d offered, %4d with a plan (%d kept as text), %d without an engine\n",
                   archs[a].name, cud_dnn_ways[w].name, t.offered, t.with_plan, t.kept, t.without_engine);
        }
        (void)driver.dnn.cudnnBackendDestroyDescriptor(properties);
    }
    conf_cases_free(&cases);
}

#else

TEST(graphs_become_plans_of_real_engines) {
    SKIP("built without cuDNN 9.8's headers");
}

#endif

CHECK_MAIN
