/*
 * Every kernel that a CUDA device would be offered for a step of the conformance suite, or of the zoo's small models, compiled
 * by a real NVRTC for every architecture. Needs no GPU.
 *
 * Exit code: 0 all compile, 1 some do not or could not be launched, 2 usage, 77 no NVRTC is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/status.h"
#include "cases.h"
#include "cuda/compile.h"
#include "cuda/texts.h"
#include "gpu_steps.h"
#include "run/host.h"
#include "zoo_steps.h"

static const struct {
    int32_t arch;
    uint32_t units;
    uint64_t shared_bytes;
    const char *card;
} archs[] = {
    {70, 80, 96 << 10, "V100"}, {75, 40, 64 << 10, "T4"}, {80, 108, 163 << 10, "A100"},
    {86, 72, 99 << 10, "A10"},  {89, 58, 99 << 10, "L4"}, {90, 132, 227 << 10, "H100, H200"},
};
enum {
    NEWEST_DRIVER = 99000,
    N_ARCHS = sizeof archs / sizeof archs[0],
    MOST_CANDIDATES = 512,
    MOST_NVRTC = 4,
    MOST_ARCHS = 16,
    WORST = 5,
    MOST_KERNELS = 128,
    MOST_WEIGHTS = 1 << 19,
    REGISTERS = 65536 /* of a block */
};

typedef struct options {
    const char *filter, *dump, *case_filter;
    bool arch_asked[N_ARCHS], lists;
    unsigned sample, jobs;
    const char *folders[MOST_NVRTC];
    int n_folders;
} options;

static const char usage[] =
    "usage: compile_all [--arch LIST] [--filter TEXT] [--case TEXT] [--sample N] [--nvrtc FOLDER]... [-j N]\n"
    "                   [--list] [--dump FOLDER]\n"
    "  --arch LIST     70,75,80,86,89,90 (default: all that an NVRTC at hand compiles for)\n"
    "  --filter TEXT   kernels whose file or name contains TEXT\n"
    "  --case TEXT     for steps whose name contains TEXT\n"
    "  --sample N      one of each N, and each kernel at least once, another one for each architecture\n"
    "  --nvrtc FOLDER  where a libnvrtc lies; the first that knows an architecture is taken for it\n"
    "  --list          says what would be compiled\n"
    "  --dump FOLDER   writes sources and machine code there\n"
    "example: compile_all --nvrtc /usr/local/cuda/lib64 --arch 90 --filter conv_direct\n";

static bool parse_archs(const char *list, options *out) {
    for (const char *at = list; *at;) {
        char *end;
        long arch = strtol(at, &end, 10);
        bool is_known = false;
        for (int i = 0; i < N_ARCHS; i++)
            if (archs[i].arch == arch)
                out->arch_asked[i] = is_known = true;
        if (!is_known || (*end && *end != ','))
            return false;
        at = end + (*end == ',');
    }
    return true;
}

static bool parse(int argc, char **argv, options *out) {
    bool has_archs = false;
    *out = (options){.sample = 1, .jobs = 1};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(word, "--list") == 0) {
            out->lists = true;
            continue;
        }
        if (!value)
            return false;
        i++;
        if (strcmp(word, "--arch") == 0)
            has_archs = parse_archs(value, out);
        else if (strcmp(word, "--filter") == 0)
            out->filter = value;
        else if (strcmp(word, "--case") == 0)
            out->case_filter = value;
        else if (strcmp(word, "--dump") == 0)
            out->dump = value;
        else if (strcmp(word, "--sample") == 0)
            out->sample = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(word, "-j") == 0)
            out->jobs = (unsigned)strtoul(value, NULL, 10);
        else if (strcmp(word, "--nvrtc") == 0 && out->n_folders < MOST_NVRTC)
            out->folders[out->n_folders++] = value;
        else
            return false;
        if (strcmp(word, "--arch") == 0 && !has_archs)
            return false;
    }
    for (int i = 0; i < N_ARCHS && !has_archs; i++)
        out->arch_asked[i] = true;
    return out->sample > 0 && out->jobs > 0;
}

/* ---- compilers -------------------------------------------------------------------------------------------------------- */

typedef struct compilers {
    cud_nvrtc list[MOST_NVRTC];
    int count;
} compilers;

static void open_compilers(const fr_host *host, const options *o, compilers *out) {
    int32_t all[N_ARCHS]; /* of two in a folder the one that knows more of them is taken */
    for (int i = 0; i < N_ARCHS; i++)
        all[i] = archs[i].arch;
    out->count = 0;
    for (int i = 0; i < (o->n_folders ? o->n_folders : 1); i++) { /* none given: wherever the backend looks */
        cud_nvrtc *nvrtc = &out->list[out->count];
        if (o->n_folders)
            setenv("FOLDRUN_CUDA_PATH", o->folders[i], 1);
        cud_nvrtc_open(host, NEWEST_DRIVER, all, N_ARCHS, nvrtc);
        if (nvrtc->library)
            out->count++;
        else
            printf("no NVRTC in %s: %s\n", o->n_folders ? o->folders[i] : "the usual places", nvrtc->why);
    }
}

static const cud_nvrtc *compiler_for(const compilers *all, int32_t arch) {
    for (int i = 0; i < all->count; i++)
        if (cud_nvrtc_arch(&all->list[i], arch) == arch)
            return &all->list[i];
    return NULL;
}

/* ---- kernels of an architecture ------------------------------------------------------------------------------------ */

typedef struct job {
    uint64_t hash;
    gpu_dispatch dispatch;
    char candidate[48];
    size_t first_case;
} job;

typedef struct result { /* of a job; workers write it, the parent reads it */
    enum { NOT_RUN, GOOD, BAD } verdict;
    int32_t registers;
    uint32_t spill, shared, bytes, milliseconds;
    char why[232];
} result;

typedef struct jobs {
    const fr_host *host;
    gpu_traits traits;
    job *list;
    size_t count, capacity;
    size_t failures; /* recipes and sources that were not made */
} jobs;

static bool is_asked(const options *o, const gpu_dispatch *d) {
    return d->call == GPU_CALL_KERNEL && (!o->filter || strstr(d->file, o->filter) || strstr(d->kernel, o->filter));
}

/* Of all that a source is made of: cheaper than the source. */
static uint64_t hash_of(const gpu_dispatch *d) {
    uint64_t hash = gpu_hash_text(gpu_hash_text(GPU_HASH_START, d->file), d->kernel), sum = 0;
    for (int32_t i = 0; i < d->n_defines; i++) /* in any order */
        sum += gpu_hash_text(GPU_HASH_START + (uint32_t)d->defines[i].value, d->defines[i].name);
    for (int i = 0; i < 3; i++)
        sum = sum * 0x100000001b3u + d->local[i];
    return (d->text ? gpu_hash_text(hash, d->text) : hash) ^ sum;
}

/* Two dispatches with one source may ask for different shared memory: the larger counts. */
static void add_job(jobs *all, const gpu_dispatch *d, const char *candidate, size_t at_case) {
    uint64_t hash = hash_of(d);
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].hash == hash) {
            gpu_dispatch *known = &all->list[i].dispatch;
            if (known->shared_bytes < d->shared_bytes)
                known->shared_bytes = d->shared_bytes;
            return;
        }
    if (all->count == all->capacity) {
        all->capacity = all->capacity ? 2 * all->capacity : 512;
        all->list = realloc(all->list, all->capacity * sizeof *all->list);
        if (!all->list)
            abort();
    }
    job *made = &all->list[all->count++];
    *made = (job){.hash = hash, .dispatch = *d, .first_case = at_case};
    if (d->text && !(made->dispatch.text = strdup(d->text)))
        abort();
    (void)snprintf(made->candidate, sizeof made->candidate, "%s", candidate);
}

/* Builds know no shapes of layers that are no chain's, and packing that many weights for every kernel takes most of the time. */
static bool is_large_fc(const fr_step *step) {
    const fr_tensor *from = &step->src[0];
    return step->kind == FR_STEP_FC && (int64_t)from->c * from->h * from->w * step->dst.c > MOST_WEIGHTS;
}

static void collect_of_case(jobs *all, const options *o, const conf_case *from, size_t at_case) {
    fr_candidate list[MOST_CANDIDATES];
    uint32_t count = 0;
    weighted w;
    weighted_make(from, &w);
    if (gpu_candidates(&all->traits, "cuda", &w.step, NULL, NULL, list, MOST_CANDIDATES, &count) != FR_OK)
        count = 0;
    for (uint32_t k = 0; k < count && k < MOST_CANDIDATES && !list[k].refused; k++) {
        fr_step step = settled(&w.step, &list[k]);
        gpu_recipe recipe;
        if (gpu_recipe_make(all->host, &all->traits, &step, &list[k], &w.weights, &recipe) != FR_OK) {
            printf("FAILED %s, %s: %s\n", from->name, list[k].name, fr_error_sentence());
            all->failures++;
            continue;
        }
        for (int32_t i = 0; i < recipe.n_dispatches; i++)
            if (is_asked(o, &recipe.dispatches[i]))
                add_job(all, &recipe.dispatches[i], list[k].name, at_case);
        gpu_recipe_free(all->host, &recipe);
    }
    weighted_free(&w);
}

/* The first of each kernel for one of the architectures, and every n-th of the others. */
static void thin_out(jobs *all, size_t n, size_t at) {
    struct {
        const char *name;
        size_t count;
    } seen[MOST_KERNELS];
    size_t kernels = 0, kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        job *j = &all->list[i];
        size_t k = 0;
        while (k < kernels && strcmp(seen[k].name, j->dispatch.kernel) != 0)
            k++;
        if (k == kernels && kernels < MOST_KERNELS) {
            seen[kernels].name = j->dispatch.kernel;
            seen[kernels++].count = 0;
        }
        size_t nth = k < kernels ? seen[k].count++ : i;
        if (nth == 0 ? k % N_ARCHS == at : nth % n == at)
            all->list[kept++] = *j;
        else
            free(j->dispatch.text);
    }
    all->count = kept;
}

static void collect(const fr_host *host, const options *o, int at, const conf_list *cases, jobs *out) {
    *out = (jobs){.host = host};
    cud_traits_fill(
        &(cud_abilities){
            .arch = archs[at].arch, .units = archs[at].units, .shared_bytes = archs[at].shared_bytes, .has_gemm = true},
        &out->traits);
    size_t every = o->sample > 1 ? 3 : 1;
    for (size_t i = (size_t)at % every; i < cases->count; i += every)
        if ((!o->case_filter || strstr(cases->items[i].name, o->case_filter)) && !is_large_fc(&cases->items[i].step))
            collect_of_case(out, o, &cases->items[i], i);
    if (o->sample > 1)
        thin_out(out, o->sample, (size_t)at);
}

/* ---- compiling -------------------------------------------------------------------------------------------------------- */

static uint64_t cpu_ms(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The number before `words`, the largest of all lines. */
static uint32_t largest_before(const char *log, const char *words) {
    uint32_t most = 0;
    for (const char *at = log; (at = strstr(at, words)) != NULL; at += strlen(words)) {
        const char *digits = at;
        while (digits > log && digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        uint32_t value = (uint32_t)strtoul(digits, NULL, 10);
        most = value > most ? value : most;
    }
    return most;
}

/* What the driver would refuse to launch. */
static void check_launch(const jobs *all, const job *j, result *r) {
    const uint32_t *local = j->dispatch.local;
    uint32_t items = local[0] * local[1] * local[2];
    uint32_t warps = (items + 31) / 32, registers = ((uint32_t)r->registers + 7) / 8 * 8;
    r->verdict = BAD;
    if (items > all->traits.max_items)
        (void)snprintf(r->why, sizeof r->why, "%u items a group", items);
    else if (warps * 32 * registers > REGISTERS)
        (void)snprintf(r->why, sizeof r->why, "%u items of %d registers", items, r->registers);
    else if (r->shared + j->dispatch.shared_bytes > all->traits.shared_bytes)
        (void)snprintf(r->why, sizeof r->why, "%u + %u bytes of shared memory", r->shared, j->dispatch.shared_bytes);
    else
        r->verdict = GOOD;
}

static void dump(const options *o, int32_t arch, size_t index, const job *j, const char *source, const cud_code *code) {
    const char *const endings[] = {"cu", "cubin"}, *const data[] = {source, code->cubin};
    const size_t bytes[] = {strlen(source), code->bytes};
    for (int i = 0; i < 2; i++) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%03zu.sm_%d.%s.%s.%s", o->dump, index, arch, j->dispatch.kernel,
                       j->candidate, endings[i]);
        FILE *file = data[i] ? fopen(path, "wb") : NULL;
        if (file) {
            (void)fwrite(data[i], 1, bytes[i], file);
            (void)fclose(file);
        }
    }
}

static void compile_one(const jobs *all, const options *o, const cud_nvrtc *nvrtc, int32_t arch, size_t index,
                        result *r) {
    static const char *const more[] = {"-Xptxas", "-v"};
    const job *j = &all->list[index];
    gpu_texts texts = cud_texts();
    cud_code code = {0};
    char *source;
    uint64_t begin = cpu_ms();
    fr_status status = gpu_source_make(all->host, &texts, &all->traits, &j->dispatch, &source);
    if (status != FR_OK) {
        r->verdict = BAD;
        (void)snprintf(r->why, sizeof r->why, "%s", fr_error_sentence());
        return;
    }
    status = cud_compile_text(all->host, nvrtc, arch, j->dispatch.file, source, more, 2, &code);
    r->milliseconds = (uint32_t)(cpu_ms() - begin);
    r->bytes = (uint32_t)code.bytes;
    if (status != FR_OK) {
        r->verdict = BAD;
        (void)snprintf(r->why, sizeof r->why, "%s", fr_error_sentence());
    } else if (code.log) {
        r->registers = (int32_t)largest_before(code.log, " registers");
        r->shared = largest_before(code.log, " bytes smem");
        r->spill = largest_before(code.log, " bytes spill stores") + largest_before(code.log, " bytes spill loads");
    }
    if (status == FR_OK)
        check_launch(all, j, r);
    if (o->dump)
        dump(o, arch, index, j, source, &code);
    cud_code_free(all->host, &code);
    all->host->free(source);
}

typedef struct board { /* in memory that the workers share */
    size_t next;
    result results[];
} board;

static void work(const jobs *all, const options *o, const cud_nvrtc *nvrtc, int32_t arch, board *b) {
    for (size_t i; (i = __atomic_fetch_add(&b->next, 1, __ATOMIC_RELAXED)) < all->count;)
        compile_one(all, o, nvrtc, arch, i, &b->results[i]);
}

/* Processes, not threads: NVRTC compiles one text at a time in a process. */
static void compile_all(const jobs *all, const options *o, const cud_nvrtc *nvrtc, int32_t arch, board *b) {
    for (unsigned i = 0; i < o->jobs; i++) {
        pid_t child = fork();
        if (child == 0) {
            work(all, o, nvrtc, arch, b);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {}
}

/* ---- the report ------------------------------------------------------------------------------------------------------ */

static void say_worst(const jobs *all, const board *b, int32_t arch) {
    size_t last = SIZE_MAX;
    uint32_t bound = UINT32_MAX;
    for (int n = 0; n < WORST; n++) { /* the next by spill, then by index */
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < all->count; i++) {
            uint32_t spill = b->results[i].spill;
            bool comes_later = spill < bound || (spill == bound && last != SIZE_MAX && i > last);
            if (spill && comes_later && (best == SIZE_MAX || spill > b->results[best].spill))
                best = i;
        }
        if (best == SIZE_MAX)
            return;
        const result *r = &b->results[best];
        printf("  sm_%d spills %u bytes, %d registers: %s of %s\n", arch, r->spill, r->registers,
               all->list[best].dispatch.kernel, all->list[best].candidate);
        bound = r->spill;
        last = best;
    }
}

static void say_slowest(const jobs *all, const board *b, int32_t arch) {
    size_t slowest = 0;
    for (size_t i = 0; i < all->count; i++)
        if (b->results[i].milliseconds > b->results[slowest].milliseconds)
            slowest = i;
    if (all->count)
        printf("  sm_%d took %u ms for %s of %s, %u bytes\n", arch, b->results[slowest].milliseconds,
               all->list[slowest].dispatch.kernel, all->list[slowest].candidate, b->results[slowest].bytes);
}

static size_t report(const jobs *all, const board *b, const conf_list *cases, int32_t arch, const cud_nvrtc *nvrtc) {
    size_t good = 0, spilling = 0;
    uint64_t milliseconds = 0;
    for (size_t i = 0; i < all->count; i++) {
        const result *r = &b->results[i];
        good += r->verdict == GOOD;
        spilling += r->spill > 0;
        milliseconds += r->milliseconds;
        if (r->verdict != GOOD)
            printf("FAILED sm_%d %s of %s, first for %s: %s\n", arch, all->list[i].dispatch.kernel,
                   all->list[i].candidate, cases->items[all->list[i].first_case].name,
                   r->verdict == BAD ? r->why : "the compiler crashed");
    }
    printf("sm_%d, NVRTC %d.%d: %zu kernels compiled, %zu failed, %zu spill, %.1f s\n", arch, nvrtc->major,
           nvrtc->minor, good, all->count - good + all->failures, spilling, (double)milliseconds / 1000);
    say_worst(all, b, arch);
    say_slowest(all, b, arch);
    return all->count - good + all->failures;
}

static size_t run_arch(const fr_host *host, const options *o, int at, const compilers *nvrtcs, const conf_list *cases,
                       bool *out_ran) {
    int32_t arch = archs[at].arch;
    const cud_nvrtc *nvrtc = compiler_for(nvrtcs, arch);
    jobs all;
    *out_ran = nvrtc != NULL;
    if (!nvrtc) {
        printf("sm_%d (%s): no NVRTC at hand compiles for it\n", arch, archs[at].card);
        return 0;
    }
    collect(host, o, at, cases, &all);
    size_t failed = all.failures;
    for (size_t i = 0; i < all.count && o->lists; i++)
        printf("sm_%d %s %s %s\n", arch, all.list[i].dispatch.file, all.list[i].dispatch.kernel, all.list[i].candidate);
    size_t bytes = sizeof(board) + all.count * sizeof(result);
    board *b = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (b != MAP_FAILED && !o->lists) {
        (void)fflush(stdout);
        compile_all(&all, o, nvrtc, arch, b);
        failed = report(&all, b, cases, arch, nvrtc);
    }
    if (b != MAP_FAILED)
        (void)munmap(b, bytes);
    for (size_t i = 0; i < all.count; i++)
        free(all.list[i].dispatch.text);
    free(all.list);
    return failed;
}

int main(int argc, char **argv) {
    static compilers nvrtcs;
    options o;
    conf_list cases;
    size_t failed = 0, ran = 0;
    if (!parse(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    fr_host host = fr_host_make(NULL);
    open_compilers(&host, &o, &nvrtcs);
    if (nvrtcs.count == 0) {
        printf("skipped: NVRTC is not there (pip install nvidia-cuda-nvrtc-cu12, or CUDA's toolkit)\n");
        return 77;
    }
    if (conf_cases_build(&cases) != FR_OK || zoo_steps_add(&cases) != FR_OK) {
        printf("%s\n", fr_error_sentence());
        return 1;
    }
    for (int i = 0; i < N_ARCHS; i++)
        if (o.arch_asked[i]) {
            bool has_run;
            failed += run_arch(&host, &o, i, &nvrtcs, &cases, &has_run);
            ran += has_run;
        }
    conf_cases_free(&cases);
    for (int i = 0; i < nvrtcs.count; i++)
        cud_nvrtc_close(&nvrtcs.list[i]);
    return failed ? 1 : ran ? 0 : 77;
}
