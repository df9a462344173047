#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/models_common.h"
#include "cli/pipeline.h"
#include "cli/plan_use.h"
#include "cli/table.h"

enum { DEFAULT_BATCH = CLI_PLAN_BATCH, CALIBRATION_IMAGES = 256, NOT_GIVEN = -1 };

typedef struct run_request {
    const char *model, *device, *format, *output, *tuning_word, *pin_word, *plan;
    cli_texts inputs, calibration;
    cli_folding folding; /* fold: 0 = auto, or NOT_GIVEN */
    int64_t batch, threads, top;
    cli_precisions precision; /* none = f32 */
    cli_reals mean, scale;
    cli_dims frame;
    bool softmax, exact, skip_bad, quiet, json;
    cli_format parsed_format;
    fr_tuning tuning;
    fr_pinning pin;
} run_request;

/* Everything that is open; freed in one place. */
typedef struct run_room {
    fr_context *context;
    fr_model *model;
    fr_model_info info;
    cli_chosen chosen; /* by a plan: has a row then */
    cli_plan_request given;
    fr_source *source;
    fr_session *session;
    uint8_t *calibration;
    cli_rows rows;
    cli_progress progress;
} run_room;

static int check_request(run_request *r) {
    if (r->inputs.count == 0)
        return cli_usage_error(
            "--input is missing: image files, folders, .npy files, or - for raw frames on standard input");
    for (size_t i = 0; i < r->inputs.count; i++)
        if (strcmp(r->inputs.at[i], "-") == 0 && r->frame.height == 0)
            return cli_usage_error("--input - needs the size of a frame: --frame 22x52x3 (height, width, channels)");
    if (r->json && r->format && strcmp(r->format, "jsonl") != 0)
        return cli_usage_error("--json means --format jsonl, not %s", r->format);
    const char *format = r->json ? "jsonl" : r->format ? r->format : "csv";
    if (strcmp(format, "csv") == 0)
        r->parsed_format = CLI_CSV;
    else if (strcmp(format, "jsonl") == 0)
        r->parsed_format = CLI_JSONL;
    else if (strcmp(format, "npy") == 0)
        r->parsed_format = CLI_NPY;
    else
        return cli_usage_error("--format: '%s' is not csv, jsonl or npy", format);
    if (r->parsed_format == CLI_NPY && r->top > 0)
        return cli_usage_error("--top has no meaning with --format npy, which holds every score");
    if (r->top == 0)
        r->top = 1;
    if (r->precision.count > 1)
        return cli_usage_error("--precision: one run has one precision");
    int code = cli_read_pinning(r->pin_word, &r->pin);
    return code == CLI_DONE ? cli_read_tuning(r->tuning_word, &r->tuning) : code;
}

/* What the command line says, as the planner asks. */
static cli_plan_request given_by(const run_request *r) {
    cli_plan_request given = CLI_PLAN_REQUEST;
    given.device = r->device;
    given.precisions = r->precision;
    given.threads = r->threads;
    given.pin_word = r->pin_word;
    given.exact = r->exact;
    given.no_measure = r->tuning == FR_TUNING_OFF;
    given.fresh = r->tuning == FR_TUNING_FRESH;
    if (r->folding.fold > 0)
        given.folds = (cli_ints){.at = {r->folding.fold}, .count = 1};
    if (r->folding.round.given)
        given.rounds = (cli_rounds){.at = {r->folding.round}, .count = 1};
    if (r->batch > 0)
        given.batches = (cli_ints){.at = {r->batch}, .count = 1};
    return given;
}

/* The fold, schedule, batch and kernels by a plan: a file, or made for the variants in a folder. The precision is the user's. */
static int choose(run_room *room, run_request *r) {
    cli_chosen *chosen = &room->chosen;
    room->given = given_by(r);
    int code;
    if (r->plan) {
        code = cli_choose_by_file(room->context, r->plan, r->model, &room->given, &r->folding, false, chosen);
    } else {
        cli_plan_request request = room->given;
        if (request.precisions.count == 0)
            request.precisions = (cli_precisions){.at = {FR_PRECISION_F32}, .count = 1};
        code = cli_choose_by_planner(room->context, r->model, &request, &r->folding, chosen);
    }
    if (code != CLI_DONE)
        return code;
    if (!r->quiet)
        cli_chosen_tell(chosen, r->plan ? r->plan : "chosen");
    room->model = chosen->model;
    room->info = chosen->info;
    chosen->model = NULL;
    r->batch = chosen->row->batch;
    return CLI_DONE;
}

static int get_model(run_room *room, run_request *r) {
    bool automatic = r->folding.fold == 0;
    bool folder = fr_path_is_folder(r->model);
    if (r->plan || (folder && r->folding.fold <= 0))
        return choose(room, r);
    if (folder && r->folding.round.given)
        return cli_refuse_round(r->model);
    if (folder)
        return cli_pick_fold(room->context, r->model, r->folding.fold, &room->model, &room->info);
    if (r->folding.fold == NOT_GIVEN)
        r->folding.fold = 0;
    int code = cli_get_model(room->context, r->model, &r->folding, &room->model, &room->info);
    if (code == CLI_DONE && automatic && room->info.fold == 1)
        return cli_usage_error(
            "--fold auto: '%s' is one plain network, and folded shapes of it are not trained: give a "
            "folder of its trained variants, or see 'foldrun plan %s'",
            r->model, r->model);
    return code;
}

/* A whole number of folded inputs: only the last batch has a tail. A plan's batch is what was measured, and stays. */
static int settle_batch(run_request *r, int32_t fold) {
    if (r->batch != 0 && r->batch < fold)
        return cli_usage_error(
            "--batch %lld is less than the fold: one input holds %d images, so --batch %d is the least",
            (long long)r->batch, fold, fold);
    if (r->batch == 0)
        r->batch = DEFAULT_BATCH > fold ? DEFAULT_BATCH : fold;
    r->batch = r->batch / fold * fold;
    return CLI_DONE;
}

static int one_scaling(const char *name, const cli_reals *given, int32_t channels, float *out) {
    if (given->count == 0)
        return CLI_DONE;
    if (given->count != 1 && given->count != (size_t)channels)
        return cli_usage_error(
            "--%s has %zu numbers; the model's images have %d channels: give one number, or one for each", name,
            given->count, channels);
    for (int32_t c = 0; c < channels; c++)
        out[c] = (float)given->at[given->count == 1 ? 0 : c];
    return CLI_DONE;
}

static int set_scaling(run_room *room, const run_request *r) {
    fr_model_info *info = &room->info;
    if (r->mean.count == 0 && r->scale.count == 0)
        return CLI_DONE;
    int32_t most = (int32_t)(sizeof info->mean / sizeof info->mean[0]),
            channels = info->channels < most ? info->channels : most;
    int code = one_scaling("mean", &r->mean, channels, info->mean);
    if (code == CLI_DONE)
        code = one_scaling("scale", &r->scale, channels, info->scale);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_model_set_scaling(room->model, info->mean, info->scale, info->channels);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

static int open_source(const fr_model_info *info, const cli_texts *paths, const cli_dims *frame,
                       fr_source **out_source) {
    fr_source_options options = FR_OPTIONS(fr_source_options);
    options.paths = paths->at;
    options.n_paths = paths->count;
    options.height = info->height;
    options.width = info->width;
    options.channels = info->channels;
    options.frame_height = frame->height;
    options.frame_width = frame->width;
    options.frame_channels = frame->channels;
    fr_status status = fr_source_open(&options, out_source);
    return status == FR_OK ? CLI_DONE : cli_input_failed(status);
}

static size_t image_bytes(const fr_model_info *info) {
    return (size_t)info->height * (size_t)info->width * (size_t)info->channels;
}

/* The first images of --calibrate, that int8 takes its ranges from. */
static int read_calibration(run_room *room, const run_request *r, fr_images *out) {
    fr_source *source;
    size_t bytes = image_bytes(&room->info);
    *out = (fr_images){.dtype = FR_U8};
    if (r->calibration.count == 0)
        return CLI_DONE;
    int code = open_source(&room->info, &r->calibration, &r->frame, &source);
    if (code != CLI_DONE)
        return code;
    room->calibration = fr_alloc_array(CALIBRATION_IMAGES, bytes);
    bool got = room->calibration != NULL;
    if (!got) {
        cli_complain("out of memory");
        code = CLI_FAILED;
    }
    while (got && code == CLI_DONE && out->count < CALIBRATION_IMAGES) {
        char name[16];
        fr_status status =
            fr_source_next(source, room->calibration + (size_t)out->count * bytes, name, sizeof name, &got);
        if (status != FR_OK)
            code = cli_input_failed(status);
        out->count += got;
    }
    fr_source_close(source);
    out->data = room->calibration;
    return code;
}

static int open_session(run_room *room, const run_request *r) {
    fr_images calibration;
    int code = read_calibration(room, r, &calibration);
    if (code != CLI_DONE)
        return code;
    fr_session_options options = FR_OPTIONS(fr_session_options);
    options.device = r->device;
    options.precision = r->precision.count > 0 ? r->precision.at[0] : FR_PRECISION_F32;
    options.exact = r->exact;
    options.softmax = r->softmax;
    options.batch = (int32_t)r->batch;
    options.threads = (int32_t)r->threads;
    options.pin = r->pin;
    options.tuning = r->tuning;
    options.calibration = calibration.count > 0 ? &calibration : NULL;
    if (room->chosen.row)
        cli_chosen_session(&room->chosen, &room->given, &options);
    options.progress = cli_session_progress;
    options.progress_user = &room->progress;
    fr_status status = fr_session_open(room->context, room->model, &options, &room->session);
    return status == FR_OK ? CLI_DONE : cli_failed(status);
}

static void tell_summary(const run_room *room, const cli_job *job, uint64_t ns) {
    fr_session_info info = FR_OPTIONS(fr_session_info);
    double seconds = (double)ns / 1e9;
    int64_t others = fr_source_skipped(room->source);
    if (fr_session_describe(room->session, &info) != FR_OK)
        return;
    if (others > 0)
        cli_complain("files in the folders that are no images, passed over: %s", cli_integer(others).text);
    if (job->skipped > 0)
        cli_complain("images that could not be read, left out: %s", cli_integer(job->skipped).text);
    cli_complain("%s images in %s s, %s a second, on %s in %s at fold %d", cli_integer(room->rows.count).text,
                 cli_real(seconds).text, cli_real((double)room->rows.count / seconds).text, info.device,
                 fr_precision_name(info.precision), info.fold);
}

static int run_all(run_room *room, run_request *r) {
    int code = cli_open_context(&room->context);
    if (code == CLI_DONE)
        code = get_model(room, r);
    if (code == CLI_DONE && !room->chosen.row)
        code = settle_batch(r, room->info.fold);
    if (code == CLI_DONE)
        code = set_scaling(room, r);
    if (code == CLI_DONE)
        code = open_source(&room->info, &r->inputs, &r->frame, &room->source);
    if (code == CLI_DONE)
        code = cli_rows_begin(&room->rows, r->output, r->parsed_format, (int32_t)r->top, room->info.classes);
    if (code == CLI_DONE)
        code = open_session(room, r);
    if (code != CLI_DONE)
        return code;
    if (!room->info.trained && !r->quiet)
        cli_complain("note: the weights of '%s'%s are seeded, not trained: the answers mean nothing", room->info.name,
                     room->info.fold > 1 ? ", folded," : "");
    cli_job job = {.source = room->source,
                   .session = room->session,
                   .rows = &room->rows,
                   .progress = &room->progress,
                   .batch = r->batch,
                   .image_bytes = image_bytes(&room->info),
                   .skip_bad = r->skip_bad};
    uint64_t start = fr_clock_ns();
    cli_progress_start(&room->progress, "images", fr_source_total(room->source));
    code = cli_pipeline(&job);
    cli_progress_clear();
    if (code == CLI_DONE)
        code = cli_rows_end(&room->rows);
    if (code == CLI_DONE && !r->quiet)
        tell_summary(room, &job, fr_clock_ns() - start);
    return code;
}

static const cli_usage usage = {
    .line = "run MODEL|FOLDER --input PATH... [options]",
    .about = "Classifies images: PNG, JPEG, PPM and PGM files and folders of them, .npy arrays of uint8\n"
             "(N,H,W,C or N,C,H,W), or raw frames on standard input. Images are resized to the model's\n"
             "input. One row an image, in order. Of a FOLDER with one task's trained variants, folded and\n"
             "plain, the fastest on the device runs, as 'foldrun plan' finds it.\n",
    .examples = "  foldrun run v1 --input screenshots/ --top 3 -o answers.csv\n"
                "  foldrun run mine-by-4.onnx --input a.png b.jpg --softmax --format jsonl\n"
                "  foldrun run variants/ --input screenshots/ --plan plan.json\n"
                "  foldrun run v1 --input frames.npy --format npy -o scores.npy\n"
                "  ffmpeg -i game.mp4 -vf scale=52:22 -f rawvideo -pix_fmt rgb24 - | foldrun run v1 --input - --frame "
                "22x52x3\n",
    .least = 1,
    .most = 1,
};

int cli_run(int argc, char **argv) {
    run_request r = {.folding = {.fold = NOT_GIVEN}};
    const cli_option options[] = {
        {"input", 'i', CLI_TEXTS, "PATH...", &r.inputs, "files, folders, .npy files, or - (with --frame)", 0, 0},
        {"frame", 0, CLI_DIMS, "HxWxC", &r.frame, "size of a raw frame on standard input, uint8", 0, 0},
        {"fold", 'f', CLI_INT_OR_AUTO, "auto|F", &r.folding.fold,
         "images in one input (the model's own); auto, with a FOLDER:\nof its variants, the fastest (auto)", 1,
         CLI_FOLD_MAX},
        CLI_ROUND_OPTION(r.folding),
        CLI_SEED_OPTION(r.folding),
        {"batch", 'b', CLI_INT, "N", &r.batch, "images at a time (256)", 1, 1 << 24},
        {"device", 'd', CLI_TEXT, "DEVICE", &r.device, "cpu, cpu:0, ... ('foldrun devices' lists them)", 0, 0},
        {"backend", 0, CLI_TEXT, "NAME", &r.device, "the same, by the backend's name", 0, 0},
        {"plan", 0, CLI_TEXT, "FILE", &r.plan,
         "what 'foldrun plan --save' wrote: fold, precision, batch,\nschedule and kernels", 0, 0},
        {"precision", 'p', CLI_PRECISIONS, "P", &r.precision, "f32, tf32, f16, bf16, int8 or f64 (f32)", 0, 0},
        {"calibrate", 0, CLI_TEXTS, "PATH...", &r.calibration, "int8: images to take ranges from (else seeded ones)", 0,
         0},
        CLI_THREADS_OPTION(r.threads),
        CLI_PIN_OPTION(r.pin_word),
        {"exact", 0, CLI_FLAG, NULL, &r.exact, "no algorithm that changes more than the order of sums", 0, 0},
        CLI_TUNING_OPTION(r.tuning_word),
        {"top", 'k', CLI_INT, "K", &r.top, "best classes in a row (1)", 1, 1000},
        {"softmax", 0, CLI_FLAG, NULL, &r.softmax, "probabilities instead of logits", 0, 0},
        {"mean", 0, CLI_REALS, "M", &r.mean,
         "number = (pixel - mean) * scale: one, or one a channel\n(the model's own)", 0, 0},
        {"scale", 0, CLI_REALS, "S", &r.scale, "see --mean; fractions will do: 1/255", 0, 0},
        {"format", 0, CLI_TEXT, "FORMAT", &r.format, "csv, jsonl or npy (f32 scores, images x classes) (csv)", 0, 0},
        {"json", 0, CLI_FLAG, NULL, &r.json, "the same as --format jsonl", 0, 0},
        {"output", 'o', CLI_TEXT, "FILE", &r.output, "where the rows go (standard output)", 0, 0},
        {"skip-bad", 0, CLI_FLAG, NULL, &r.skip_bad,
         "leave out images that cannot be read, and tell of them\n(else the first one ends the run)", 0, 0},
        {"quiet", 'q', CLI_FLAG, NULL, &r.quiet, "no notes and no summary on standard error", 0, 0},
        {.name = NULL},
    };
    int words;
    run_room room = {0};
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code == CLI_GO_ON)
        code = check_request(&r);
    else
        goto done;
    r.model = argv[1];
    cli_watch_signals();
    if (code == CLI_DONE)
        code = run_all(&room, &r);
    fr_session_close(room.session);
    fr_source_close(room.source);
    cli_rows_abandon(&room.rows);
    fr_model_free(room.model);
    cli_chosen_free(&room.chosen);
    fr_context_free(room.context);
    fr_free(room.calibration);
done:
    fr_free(r.inputs.at);
    fr_free(r.calibration.at);
    return code;
}
