/*
 * foldrun: runs small CNNs, plain and folded, as fast as the device allows.
 *
 *     fr_context *context;  fr_context_new(NULL, &context);
 *     fr_model *model;      fr_model_load(context, "v1", &model);            a zoo name, a .onnx or a .fold file
 *     fr_session *session;  fr_session_open(context, model, NULL, &session);  plans, compiles, allocates
 *     fr_session_run(session, &images, scores);                               scores[images.count][classes]
 *
 * Every call that can fail answers fr_status, sets its out_ results first (NULL or 0), and leaves one sentence in
 * fr_error_message(), of the calling thread. Free and close functions take NULL. No global state: contexts are
 * independent; a model is immutable after loading and may serve many sessions; a session is used by one thread at a
 * time, several sessions by several threads at once. The library never prints, aborts or exits.
 *
 * Option structs: zero is every field's default; set struct_bytes = sizeof it (FR_OPTIONS does).
 */
#ifndef FOLDRUN_FOLDRUN_H
#define FOLDRUN_FOLDRUN_H

#include <stdbool.h>

#include "foldrun/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FR_OPTIONS(type) ((type){.struct_bytes = sizeof(type)})

FR_EXPORT const char *fr_version(void); /* "0.1.0" */
FR_EXPORT const char *fr_error_message(void);
FR_EXPORT const char *fr_status_name(fr_status status);
FR_EXPORT const char *fr_precision_name(fr_precision precision);                      /* "f32" */
FR_EXPORT bool fr_precision_from_name(const char *name, fr_precision *out_precision); /* f32 f16 bf16 int8 f64 */
FR_EXPORT const char *fr_dtype_name(fr_dtype dtype);
FR_EXPORT void fr_string_free(char *text); /* texts that the library made for its caller */

/* ---- context ------------------------------------------------------------------------------------------- */

typedef struct fr_context fr_context;

typedef struct fr_context_options {
    uint32_t struct_bytes;
    const char *backend_dir; /* NULL: FOLDRUN_BACKEND_DIR, else the install folder beside the library */
    const char
        *cache_dir; /* NULL: FOLDRUN_CACHE_DIR, else XDG_CACHE_HOME/foldrun, else ~/.cache/foldrun; "" = no cache */
    void (*log)(void *user, int level, const char *line); /* level: 0 error, 1 warning, 2 info, 3 debug */
    void *log_user;
    int32_t log_level;
} fr_context_options;

FR_EXPORT fr_status fr_context_new(const fr_context_options *options, fr_context **out_context) FR_MUST_CHECK;
FR_EXPORT void fr_context_free(fr_context *context);

/* A device of a backend, or a backend that has none: then status is not FR_OK, id is the backend's name and `why` says
 * what is missing and what to do. */
typedef struct fr_device_entry {
    char id[24]; /* "cpu:0" */
    char backend[16];
    char title[64]; /* "CPU (oneDNN 2.6.3)" */
    fr_status status;
    char why[1024];
    fr_device_facts facts;
} fr_device_entry;

/* The list lives as long as the context. Opens each backend's driver once, on the first call. */
FR_EXPORT fr_status fr_context_devices(fr_context *context, const fr_device_entry **out_entries,
                                       size_t *out_count) FR_MUST_CHECK;

/* ---- models -------------------------------------------------------------------------------------------- */

typedef struct fr_model fr_model;

FR_EXPORT size_t fr_zoo_count(void);
FR_EXPORT const char *fr_zoo_name(size_t index); /* NULL past the last */

/* A zoo name ("v1"), a .fold or a .onnx file. An unknown name is FR_INVALID and the sentence suggests the nearest. On an ONNX
 * file with unsupported nodes fr_model_report says all of them. */
FR_EXPORT fr_status fr_model_load(fr_context *context, const char *name_or_path, fr_model **out_model) FR_MUST_CHECK;
FR_EXPORT const char *fr_load_report(fr_context *context); /* table of the last refused load; "" when none */
FR_EXPORT void fr_model_free(fr_model *model);

typedef enum fr_round { FR_ROUND_FLOOR = 0, FR_ROUND_UP = 1, FR_ROUND_DOWN = 2, FR_ROUND_NEAREST = 3 } fr_round;

FR_EXPORT const char *fr_round_name(fr_round round); /* "up" */

typedef struct fr_fold_options {
    uint32_t struct_bytes;
    int32_t fold; /* f >= 1 */
    fr_round
        round; /* what to do with floor(width * sqrt(f)): FLOOR leaves it, the others go to a multiple of quantum */
    int32_t quantum; /* channels; 0 or 1 = none */
    uint64_t seed;   /* of the fresh weights */
} fr_fold_options;

/* The folded architecture with fresh seeded weights: it must be trained. fold = 1 without rounding gives a copy. */
FR_EXPORT fr_status fr_model_fold(const fr_model *model, const fr_fold_options *options,
                                  fr_model **out_model) FR_MUST_CHECK;

typedef struct fr_model_info {
    uint32_t struct_bytes;
    char name[64], title[128], origin[128];
    int32_t fold;
    int32_t channels, height, width; /* of one image */
    int32_t input_channels;          /* of one folded input */
    int32_t classes;                 /* numbers in one image's answer (all outputs of a model that is no classifier) */
    bool trained;                    /* false: seeded weights */
    float mean[16], scale[16];       /* for uint8 images: (pixel - mean[c]) * scale[c] */
    int32_t n_accuracy;
    struct {
        int32_t fold;
        double accuracy;
    } accuracy[16];
} fr_model_info;

FR_EXPORT fr_status fr_model_describe(const fr_model *model, fr_model_info *out_info) FR_MUST_CHECK;
FR_EXPORT fr_status fr_model_set_scaling(fr_model *model, const float *mean, const float *scale,
                                         int32_t channels) FR_MUST_CHECK;
/* ONNX for a path ending in .onnx; anything else is FR_INVALID. */
FR_EXPORT fr_status fr_model_save(const fr_model *model, const char *path) FR_MUST_CHECK;

typedef struct fr_layer_cost {
    char name[64];
    char kind[16];         /* conv, fc, maxpool, ... */
    int32_t in[3], out[3]; /* channels, height, width */
    int32_t kernel[2], stride[2], groups;
    int64_t ops_per_input; /* with biases, FACTS' counting rule */
    int64_t params;
    double weight_bytes, activation_bytes; /* of the batch: read and written once each */
    double flops;                          /* of the batch: 2*N*H*W*Co*Ci*Kh*Kw/G, the intensity's numerator */
    double arithmetic_intensity;           /* 0 for layers without operations */
    /* Folding this layer by 4 lowers its traffic iff N*H*W exceeds the threshold; -1 where the rule does not apply. */
    double nhw, nhw_threshold;
} fr_layer_cost;

typedef struct fr_cost {
    int32_t fold, images_per_input;
    int64_t batch_images, inputs;
    int32_t bytes_per_element;
    int64_t ops_per_input;
    double ops_per_image;
    int64_t params;
    double weight_bytes, activation_bytes, flops, arithmetic_intensity;
    fr_layer_cost *layers;
    size_t n_layers;
} fr_cost;

/* threshold_fold: the f of the traffic rule above (0 = 4). Free with fr_cost_free. */
FR_EXPORT fr_status fr_model_cost(const fr_model *model, int64_t batch_images, int32_t bytes_per_element,
                                  int32_t threshold_fold, fr_cost *out_cost) FR_MUST_CHECK;
FR_EXPORT void fr_cost_free(fr_cost *cost);

/* ---- sessions ------------------------------------------------------------------------------------------ */

typedef struct fr_session fr_session;

/* Images as the user has them, dense, one after another. U8: scaled by the model's mean and scale on the way in.
 * F32: taken as they are. */
typedef struct fr_images {
    const void *data;
    fr_dtype dtype; /* FR_U8 or FR_F32 */
    bool chw;       /* false: HWC */
    int64_t count;
} fr_images;

typedef enum fr_tuning {
    FR_TUNING_CACHED = 0, /* measured choices from the cache; measured now (tune_ms) and stored when there are none */
    FR_TUNING_OFF = 1,    /* heuristics only */
    FR_TUNING_FRESH = 2   /* measured now, whatever the cache says */
} fr_tuning;

/* The launches of a block as one submission, made when a number of images comes the second time. For comparing. */
typedef enum fr_bundling {
    FR_BUNDLING_AUTO = 0, /* on GPUs whose backend can */
    FR_BUNDLING_OFF = 1,
    FR_BUNDLING_ON = 2 /* FR_UNSUPPORTED where the backend cannot */
} fr_bundling;

/* Whether a CPU's lanes are bound to processors: each to a core of its own, memory nodes in turn, and only when there are more lanes
 * than cores to the second of a core. Other devices' lanes never are, nor one whose kernels use several threads. */
typedef enum fr_pinning {
    FR_PINNING_AUTO = 0, /* where lanes fill all cores, or all processors, that the process may use */
    FR_PINNING_OFF = 1,
    FR_PINNING_ON = 2
} fr_pinning;
FR_EXPORT const char *fr_pinning_name(fr_pinning pinning);                      /* "auto" */
FR_EXPORT bool fr_pinning_from_name(const char *name, fr_pinning *out_pinning); /* auto off on */

/* How a run goes through the network. */
typedef enum fr_schedule {
    FR_SCHEDULE_AUTO = 0,
    FR_SCHEDULE_LAYERS = 1, /* layer by layer: a step takes all inputs of a block before the next one begins */
    FR_SCHEDULE_CHAIN = 2   /* depth first: a group of inputs through many steps, in loops or in one program */
} fr_schedule;
FR_EXPORT const char *fr_schedule_name(fr_schedule schedule);                      /* "layers" */
FR_EXPORT bool fr_schedule_from_name(const char *name, fr_schedule *out_schedule); /* auto layers chain */

typedef struct fr_session_options {
    uint32_t struct_bytes;
    const char *device; /* "cpu", "cpu:0", ...; NULL = the CPU. Missing = an error, never another device. */
    fr_precision precision;
    bool exact;           /* only algorithms whose sums differ by order alone (no Winograd) */
    bool softmax;         /* answers are probabilities instead of logits */
    int32_t batch;        /* images a run is planned for; 0 = 256. Runs may hold any number. */
    int32_t threads;      /* lanes; 0 = all the device has: of a CPU one a core */
    int32_t group;        /* folded inputs a chain takes at a time; 0 = chosen by measurement */
    fr_dtype input_dtype; /* of the images runs will bring; 0 = FR_U8 */
    bool input_chw;
    fr_tuning tuning;
    int32_t tune_ms;              /* budget; 0 = 3000 */
    uint64_t memory_limit;        /* bytes; 0 = none. A plan that needs more is FR_UNSUPPORTED, with the sum. */
    const fr_images *calibration; /* int8: images to take ranges from; NULL = seeded ones */
    void (*progress)(void *user, const char *what, double fraction); /* while tuning and compiling */
    void *progress_user;
    /* Words, "direct,fc" or "-chain": of the kernels for a step only those whose name contains one are used, and none that
     * contains one with a minus, where that leaves any. NULL = all. For comparing kernels. */
    const char *kernels;
    fr_bundling bundles;
    fr_schedule schedule; /* FR_UNSUPPORTED where the device has no such way */
    /* What fr_session_plan_text gave for the same steps on the same device: used as it is, without measuring. Where it does not fit
     * (another driver, another batch) a warning is logged and the choice is made as without it. NULL = none. */
    const char *plan;
    fr_pinning pin;
} fr_session_options;

FR_EXPORT fr_status fr_session_open(fr_context *context, const fr_model *model, const fr_session_options *options,
                                    fr_session **out_session) FR_MUST_CHECK;
FR_EXPORT void fr_session_close(fr_session *session);

/* One answer for each image, in order: out[count][classes]. Blocks. */
FR_EXPORT fr_status fr_session_run(fr_session *session, const fr_images *images, float *out) FR_MUST_CHECK;

/* Returns at once; `done` is called on a thread of the session when the answers are there (or have failed; message is the
 * sentence). images->data and out must stay until then. Jobs run in the order they were given. */
typedef void (*fr_done)(void *user, fr_status status, const char *message);
FR_EXPORT fr_status fr_session_submit(fr_session *session, const fr_images *images, float *out, fr_done done,
                                      void *user) FR_MUST_CHECK;
FR_EXPORT fr_status fr_session_wait(fr_session *session)
    FR_MUST_CHECK; /* for all that was submitted; the first failure */

/* Computes without transfers and ingest: on the inputs of the last group that each lane took in, again and again, and the
 * answers stay on the device. What a benchmark of the network alone times. */
FR_EXPORT fr_status fr_session_run_resident(fr_session *session, int64_t images) FR_MUST_CHECK;

typedef struct fr_session_info {
    uint32_t struct_bytes;
    char device[24], device_name[128], driver[128];
    fr_precision precision;
    int32_t fold, batch, lanes, lane_threads;
    char schedule[160]; /* "chain: steps 1-8 by 8, 9 by 64" */
    bool tuned, from_cache;
    uint64_t open_ns, tune_ns; /* whole opening; of it measuring */
    uint64_t planned_bytes;    /* activations and scratch, all lanes */
    uint64_t weight_bytes;
    uint64_t peak_bytes; /* what the device counted, all kinds */
    /* Of a plan that is not from the cache: steps whose kernels were first guessed by the device's profile, by the nearest shape
     * in it, and by the backend's own order. */
    int32_t guessed_exact, guessed_near, guessed_plain;
    fr_schedule plan_schedule; /* of what runs: LAYERS or CHAIN */
    bool plan_refused;         /* fr_session_options.plan did not fit */
    int32_t pinned_lanes;      /* that are bound to a processor */
} fr_session_info;

FR_EXPORT fr_status fr_session_describe(const fr_session *session, fr_session_info *out_info) FR_MUST_CHECK;
/* The choice of kernels, groups and lanes as JSON, for fr_session_options.plan. Free with fr_string_free. */
FR_EXPORT fr_status fr_session_plan_text(const fr_session *session, char **out_text) FR_MUST_CHECK;

typedef struct fr_layer_time {
    char name[64];       /* the layer's, with what was fused into it: "conv2+relu+maxpool" */
    char candidate[48];  /* kernel */
    int32_t group;       /* inputs a launch */
    double ns_per_image; /* on one lane, launched alone again and again */
    double gflops;       /* direct operations over that time; 0 for layers without */
    int64_t ops_per_input;
} fr_layer_time;

/* Times each step by itself for about ms in all. *out_layers by fr_layers_free. */
FR_EXPORT fr_status fr_session_time_layers(fr_session *session, int32_t ms, fr_layer_time **out_layers,
                                           size_t *out_count) FR_MUST_CHECK;
FR_EXPORT void fr_layers_free(fr_layer_time *layers);

/* The device's arithmetic peak at a precision, operations a second, measured with the backend's best large step; 0 and
 * FR_UNSUPPORTED when it has none. Takes about ms. */
FR_EXPORT fr_status fr_measure_peak(fr_context *context, const char *device, fr_precision precision, int32_t threads,
                                    int32_t ms, double *out_ops_per_s) FR_MUST_CHECK;

/* ---- kernels: right, and fast ------------------------------------------------------------------------- */

/*
 * A session uses no kernel that it did not see agree with the reference once on this device and driver; what comes of that
 * is kept in the cache. The self-test does it for all kernels of a device at once, on a built-in list of steps.
 */
typedef enum fr_verdict {
    FR_VERDICT_NONE = 0,
    FR_VERDICT_GOOD = 1,
    FR_VERDICT_WRONG = 2,
    FR_VERDICT_UNBUILT = 3 /* does not build, or cannot be run */
} fr_verdict;

FR_EXPORT const char *fr_verdict_name(fr_verdict verdict); /* "good" */

typedef struct fr_kernel_report {
    char name[48];
    fr_verdict verdict; /* bad ones are never used, by any session, until a test finds them good again */
    bool stored;        /* known from before; it did not run now */
    int32_t runs;       /* times it ran on a step */
    double worst;       /* largest error over the limit for it: at most 1 for a good one */
    char why[320];      /* of a bad one: step and first difference, or what the build says */
} fr_kernel_report;

typedef struct fr_selftest_options {
    uint32_t struct_bytes;
    const char *device; /* NULL = the CPU */
    const char *filter; /* only kernels whose name contains it; NULL = all */
    bool again;         /* run those with a stored verdict too */
    /* What is being done, and how far it is, 0 to 1. False: stop, with FR_CANCELLED. */
    bool (*progress)(void *user, const char *what, double fraction);
    void *progress_user;
} fr_selftest_options;

typedef struct fr_selftest {
    char device[24], device_name[128], driver[128];
    fr_kernel_report *kernels; /* by name */
    size_t n_kernels, n_bad;
    int32_t steps; /* of the list, that the device has precisions for */
} fr_selftest;

/* FR_OK also when kernels are bad. Verdicts are stored. Free with fr_selftest_free, whatever it answers. */
FR_EXPORT fr_status fr_selftest_run(fr_context *context, const fr_selftest_options *options,
                                    fr_selftest *out_selftest) FR_MUST_CHECK;
FR_EXPORT void fr_selftest_free(fr_selftest *selftest);

/*
 * Tuning ahead: times a device's kernels for the steps of models, with more patience than an opening session has, and keeps the
 * times in the device's profile, a file in the cache folder. Sessions begin with what it says: of a step it holds, or of the
 * nearest one; else with the backend's own order.
 */
typedef struct fr_tune_options {
    uint32_t struct_bytes;
    const char *device;        /* NULL = the CPU */
    const char *const *models; /* zoo names and files */
    size_t n_models;           /* 0: the game and NoScope models of the zoo */
    int32_t fold;              /* 0: as the model is */
    int32_t batch;             /* images; 0 = 256 */
    fr_precision precision;
    double budget_s; /* for all of them; 0 = 60 */
    /* As of the self-test. False: what was measured is kept, and the answer is FR_CANCELLED. */
    bool (*progress)(void *user, const char *what, double fraction);
    void *progress_user;
} fr_tune_options;

typedef struct fr_tuned_step {
    char model[64], step[64];
    int32_t group;                               /* inputs a launch */
    int32_t timed, offered;                      /* kernels */
    char winner[48], runner_up[48], untuned[48]; /* "" where there is none; untuned: first in the backend's own order */
    double winner_ns, runner_up_ns, untuned_ns;  /* a launch; 0: not timed */
} fr_tuned_step;

typedef struct fr_tune_result {
    char device[24], device_name[128], driver[128], profile[512]; /* the profile's path */
    fr_tuned_step *steps;                                         /* those of two models that are equal once */
    size_t n_steps;
} fr_tune_result;

/* Free with fr_tune_free, whatever it answers. */
FR_EXPORT fr_status fr_tune_device(fr_context *context, const fr_tune_options *options,
                                   fr_tune_result *out_result) FR_MUST_CHECK;
FR_EXPORT void fr_tune_free(fr_tune_result *result);

/* ---- reading images --------------------------------------------------------------------------------------- */

/* A source of uint8 images, resized to the model's input: PNG, JPEG, PPM and PGM files and folders of them, .npy (u8 N,H,W,C or
 * N,C,H,W; f32 is refused), raw frames ("-" = stdin; needs frame_*). */
typedef struct fr_source fr_source;

typedef struct fr_source_options {
    uint32_t struct_bytes;
    const char *const *paths;
    size_t n_paths;
    int32_t height, width, channels;                   /* what comes out, HWC */
    int32_t frame_height, frame_width, frame_channels; /* of raw frames */
} fr_source_options;

FR_EXPORT fr_status fr_source_open(const fr_source_options *options, fr_source **out_source) FR_MUST_CHECK;
FR_EXPORT void fr_source_close(fr_source *source);
FR_EXPORT int64_t fr_source_total(const fr_source *source); /* images; -1 when a stream cannot tell */
FR_EXPORT int64_t
fr_source_skipped(const fr_source *source); /* files in the folders that are no images, by their names */
/* Next image into out[height*width*channels]; its name (a file, or file#index) into name, also when it cannot be read: the
 * call after a failure goes on with the file behind it. *out_got false at the end. FR_CANCELLED: a signal came while reading
 * standard input. Files of a folder come in natural order (a2 before a10). */
FR_EXPORT fr_status fr_source_next(fr_source *source, uint8_t *out, char *name, size_t name_bytes,
                                   bool *out_got) FR_MUST_CHECK;

#ifdef __cplusplus
}
#endif
#endif
