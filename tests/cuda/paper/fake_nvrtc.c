/*
 * A stand-in for libnvrtc: the kernel's text is compiled as C++ for the host, behind paper.h; its "cubin" is the shared object.
 *
 *   PAPER_NVRTC=13        the version it says, and architectures from 75 on; else 12, from 50 on
 *   PAPER_COMPILE=CODE    nothing compiles: the first, or after PAPER_SKIP programs
 *   PAPER_ASAN=1          kernels are watched by the address sanitizer (the process must run under it)
 *   PAPER_CXX=COMPILER    another one than the build's
 *   PAPER_KEEP=FOLDER     texts stay there
 */
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nvrtc.h>

enum { MOST_NAMES = 32, MOST_ARGS = 80 };

struct _nvrtcProgram {
    char *text, *log, *image;
    size_t image_bytes;
    char names[MOST_NAMES][64];
    int n_names;
};

extern char **environ;
static atomic_int compiles, refusals;

int paper_compiles(void);
int paper_compiles(void) {
    return atomic_load(&compiles);
}

void shim_reset(void);
void shim_reset(void) {
    atomic_store(&compiles, 0);
    atomic_store(&refusals, 0);
}

static const char *setting(const char *name) {
    const char *text = getenv(name);
    return text && *text ? text : NULL;
}

static int major(void) {
    return setting("PAPER_NVRTC") ? atoi(setting("PAPER_NVRTC")) : 12;
}

/* ---- what it is --------------------------------------------------------------------------------------------------------- */

nvrtcResult nvrtcVersion(int *out_major, int *out_minor) {
    *out_major = major();
    *out_minor = PAPER_MINOR + (setting("PAPER_ASAN") ? 1 : 0); /* kept kernels are those of this paper.h */
    return NVRTC_SUCCESS;
}

const char *nvrtcGetErrorString(nvrtcResult code) {
    return code == NVRTC_SUCCESS             ? "NVRTC_SUCCESS"
           : code == NVRTC_ERROR_COMPILATION ? "NVRTC_ERROR_COMPILATION"
                                             : "NVRTC_ERROR of paper";
}

static const int archs[] = {50, 52, 60, 61, 70, 72, 75, 80, 86, 87, 89, 90, 100, 120};

static int first_arch(void) {
    int at = 0;
    while (major() >= 13 && archs[at] < 75)
        at++;
    return at;
}

nvrtcResult nvrtcGetNumSupportedArchs(int *out) {
    *out = (int)(sizeof archs / sizeof archs[0]) - first_arch();
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetSupportedArchs(int *out) {
    int first = first_arch();
    memcpy(out, archs + first, sizeof archs - (size_t)first * sizeof archs[0]);
    return NVRTC_SUCCESS;
}

/* ---- programs ----------------------------------------------------------------------------------------------------------- */

nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
    if (!program || !*program)
        return NVRTC_ERROR_INVALID_PROGRAM;
    free((*program)->text);
    free((*program)->log);
    free((*program)->image);
    free(*program);
    *program = NULL;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCreateProgram(nvrtcProgram *out, const char *text, const char *name, int n_headers,
                               const char *const *headers, const char *const *header_names) {
    (void)name;
    (void)headers;
    (void)header_names;
    *out = NULL;
    if (!text || n_headers != 0)
        return NVRTC_ERROR_INVALID_INPUT;
    nvrtcProgram program = calloc(1, sizeof *program);
    if (!program)
        return NVRTC_ERROR_OUT_OF_MEMORY;
    program->text = strdup(text);
    program->log = calloc(1, 1);
    *out = program;
    return program->text && program->log ? NVRTC_SUCCESS : NVRTC_ERROR_OUT_OF_MEMORY;
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_known(const nvrtcProgram program, const char *name, size_t length) {
    for (int i = 0; i < program->n_names; i++)
        if (strlen(program->names[i]) == length && memcmp(program->names[i], name, length) == 0)
            return true;
    return false;
}

/* The name between a kernel's return type and its parameters. */
static void note_kernel(nvrtcProgram program, const char *at) {
    const char *end = strstr(at, "void");
    for (const char *stop = at; end && stop < end; stop++)
        if (*stop == ';' || *stop == '{' || *stop == '}')
            return;
    if (!end)
        return;
    end += 4;
    for (;;) {
        while (*end && !is_word(*end) && *end != '(' && *end != ';' && *end != '{')
            end++;
        const char *name = end;
        while (is_word(*end))
            end++;
        size_t length = (size_t)(end - name);
        if (length == 0 || length >= sizeof program->names[0])
            return;
        if (strncmp(name, "__launch_bounds__", length) == 0) { /* stands on either side of the type */
            end = strchr(end, ')');
            if (!end)
                return;
            continue;
        }
        while (*end == ' ')
            end++;
        if (*end != '(' || program->n_names == MOST_NAMES || is_known(program, name, length))
            return;
        memcpy(program->names[program->n_names], name, length);
        program->names[program->n_names++][length] = 0;
        return;
    }
}

static bool begins_directive(const char *text, const char *at) {
    while (at > text && at[-1] != '\n')
        at--;
    while (*at == ' ')
        at++;
    return *at == '#';
}

static void find_kernels(nvrtcProgram program) {
    static const char *const words[] = {"KERNEL", "__global__", "__kernel"};
    program->n_names = 0;
    for (size_t w = 0; w < sizeof words / sizeof words[0]; w++) {
        size_t length = strlen(words[w]);
        for (const char *at = strstr(program->text, words[w]); at; at = strstr(at + length, words[w]))
            if ((at == program->text || !is_word(at[-1])) && !is_word(at[length]) &&
                !begins_directive(program->text, at))
                note_kernel(program, at + length);
    }
}

/* Behind the text: the object's table. */
static bool write_text(const nvrtcProgram program, const char *path) {
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    fprintf(file, "#line 1 \"kernel\"\n%s\n#line 1 \"table\"\nnamespace paper_names {\n", program->text);
    for (int i = 0; i < program->n_names; i++)
        fprintf(file, "int %s(paper_absent);\n", program->names[i]);
    fprintf(file, "}\nusing namespace paper_names;\nstatic paper_kernel paper_kernels[%d];\n", program->n_names + 1);
    fprintf(file, "extern \"C\" { __attribute__((visibility(\"default\"))) paper_object paper_link = {PAPER_ABI, "
                  "paper_kernels}; }\n"
                  "__attribute__((constructor)) static void paper_fill() {\n    paper_kernel *to = paper_kernels;\n");
    for (int i = 0; i < program->n_names; i++)
        fprintf(file, "    paper_note<%d>(to, \"%s\", &%s, 0);\n", i, program->names[i], program->names[i]);
    fprintf(file, "    paper_link.n_kernels = (unsigned)(to - paper_kernels);\n    paper_link.shared_begin = "
                  "paper_shared_begin;\n"
                  "    paper_link.shared_end = paper_shared_end;\n}\n");
    return fclose(file) == 0;
}

static bool read_all(const char *path, char **out, size_t *out_bytes) {
    FILE *file = fopen(path, "rb");
    long bytes = 0;
    *out = NULL;
    bool done = file && fseek(file, 0, SEEK_END) == 0 && (bytes = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0;
    *out = done ? calloc(1, (size_t)bytes + 1) : NULL;
    done = *out && fread(*out, 1, (size_t)bytes, file) == (size_t)bytes;
    *out_bytes = (size_t)bytes;
    if (file)
        fclose(file);
    return done;
}

static int run_compiler(char **args, const char *log) {
    posix_spawn_file_actions_t actions;
    pid_t child;
    int code = -1;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -1;
    posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&child, args[0], &actions, NULL, args, environ) == 0 && waitpid(child, &code, 0) != child)
        code = -1;
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* Options of NVRTC that mean something here. */
static int take_options(int count, const char *const *options, char arch[48], char **args, int n) {
    snprintf(arch, 48, "-D__CUDA_ARCH__=520");
    for (int i = 0; i < count && n < MOST_ARGS - 2; i++) {
        const char *o = options[i], *version = strstr(o, "sm_");
        if ((strncmp(o, "--gpu-architecture=", 19) == 0 || strncmp(o, "-arch=", 6) == 0) &&
            (version || (version = strstr(o, "compute_"))))
            snprintf(arch, 48, "-D__CUDA_ARCH__=%d", 10 * atoi(strchr(version, '_') + 1));
        else if (strncmp(o, "-D", 2) == 0 || strncmp(o, "-U", 2) == 0)
            args[n++] = (char *)(uintptr_t)o;
        else if (strncmp(o, "--fmad=false", 12) == 0 || strncmp(o, "-fmad=false", 11) == 0)
            args[n++] = "-ffp-contract=off";
    }
    args[n++] = arch;
    return n;
}

static bool has_arch(const char *define) {
    int arch = atoi(strchr(define, '=') + 1) / 10, most = (int)(sizeof archs / sizeof archs[0]);
    for (int i = first_arch(); i < most; i++)
        if (archs[i] == arch)
            return true;
    return false;
}

static nvrtcResult build(nvrtcProgram program, int count, const char *const *options, const char *folder) {
    static const char *const always[] = {"-x",
                                         "c++",
                                         "-std=gnu++17",
                                         "-O1",
                                         "-march=native",
                                         "-fPIC",
                                         "-shared",
                                         "-w",
                                         "-pipe",
                                         "-fno-exceptions",
                                         "-fno-rtti",
                                         "-fvisibility=hidden",
                                         "-fno-threadsafe-statics",
                                         "-fno-stack-protector",
                                         "-fno-asynchronous-unwind-tables",
                                         "-nostdinc++",
                                         "-nostdlib",
                                         "-DFR_PAPER",
                                         ("-I" PAPER_ENGINE),
                                         "-include",
                                         PAPER_HEADER};
    char text[600], object[600], log[600], arch[48], *args[MOST_ARGS], *kept;
    int n = 0;
    size_t bytes;
    args[n++] = (char *)(uintptr_t)(setting("PAPER_CXX") ? setting("PAPER_CXX") : PAPER_COMPILER);
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++)
        args[n++] = (char *)(uintptr_t)always[i];
    n = take_options(count, options, arch, args, n);
    if (!has_arch(arch)) {
        free(program->log);
        program->log = strdup("nvrtc: error: invalid value for --gpu-architecture (-arch)\n");
        return NVRTC_ERROR_INVALID_OPTION;
    }
    if (setting("PAPER_ASAN")) {
        static const char *const watched[] = {"-fsanitize=address", "-fsanitize-sections=paper_shared", "--param",
                                              "asan-stack=0", "-g1"};
        for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++)
            args[n++] = (char *)(uintptr_t)watched[i];
    }
    snprintf(text, sizeof text, "%s/kernel.cpp", folder);
    snprintf(object, sizeof object, "%s/kernel.so", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    char *const last[] = {text, "-o", object, "-lm", "-lc", "-lgcc"};
    for (size_t i = 0; i < sizeof last / sizeof last[0] && n < MOST_ARGS - 1; i++)
        args[n++] = last[i];
    args[n] = NULL;
    find_kernels(program);
    int code = write_text(program, text) ? run_compiler(args, log) : -1;
    if (read_all(log, &kept, &bytes)) {
        free(program->log);
        program->log = kept;
    }
    free(program->image);
    program->image = NULL;
    return code == 0 && read_all(object, &program->image, &program->image_bytes) ? NVRTC_SUCCESS
                                                                                 : NVRTC_ERROR_COMPILATION;
}

static void clear_folder(const char *folder) {
    static const char *const names[] = {"kernel.cpp", "kernel.so", "log"};
    char path[600];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int count, const char *const *options) {
    int before = atomic_fetch_add(&compiles, 1), skip = setting("PAPER_SKIP") ? atoi(setting("PAPER_SKIP")) : 0;
    const char *keep = setting("PAPER_KEEP"), *home = keep ? keep : setting("TMPDIR") ? setting("TMPDIR") : "/tmp";
    char folder[512];
    if (setting("PAPER_COMPILE") && before >= skip) {
        free(program->log);
        program->log = strdup("kernel(1): error: nothing compiles on paper\n");
        return (nvrtcResult)atoi(setting("PAPER_COMPILE"));
    }
    snprintf(folder, sizeof folder, "%s/paper-nvrtc-XXXXXX", home);
    if (!mkdtemp(folder))
        return NVRTC_ERROR_PROGRAM_CREATION_FAILURE;
    nvrtcResult result = build(program, count, options, folder);
    if (!keep)
        clear_folder(folder);
    return result;
}

nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *out) {
    *out = strlen(program->log) + 1;
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *out) {
    memcpy(out, program->log, strlen(program->log) + 1);
    return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *out) {
    *out = program->image ? program->image_bytes : 0;
    return program->image ? NVRTC_SUCCESS : NVRTC_ERROR_INVALID_PROGRAM;
}

nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *out) {
    if (!program->image)
        return NVRTC_ERROR_INVALID_PROGRAM;
    memcpy(out, program->image, program->image_bytes);
    return NVRTC_SUCCESS;
}
