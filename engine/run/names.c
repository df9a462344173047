/* Words of the public API. */
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "foldrun/foldrun.h"

const char *fr_version(void) {
    return FOLDRUN_VERSION;
}

const char *fr_error_message(void) {
    return fr_error_sentence();
}

const char *fr_status_name(fr_status status) {
    return fr_status_word(status);
}

static const char *const precision_names[] = {
    [FR_PRECISION_F32] = "f32",   [FR_PRECISION_F16] = "f16", [FR_PRECISION_BF16] = "bf16",
    [FR_PRECISION_INT8] = "int8", [FR_PRECISION_F64] = "f64", [FR_PRECISION_TF32] = "tf32",
};
enum { N_PRECISIONS = sizeof precision_names / sizeof precision_names[0] };

const char *fr_precision_name(fr_precision precision) {
    return (unsigned)precision < N_PRECISIONS ? precision_names[precision] : "?";
}

bool fr_precision_from_name(const char *name, fr_precision *out_precision) {
    *out_precision = FR_PRECISION_F32;
    for (unsigned i = 0; name && i < N_PRECISIONS; i++) {
        if (strcmp(name, precision_names[i]) == 0) {
            *out_precision = (fr_precision)i;
            return true;
        }
    }
    return false;
}

const char *fr_round_name(fr_round round) {
    static const char *const names[] = {
        [FR_ROUND_FLOOR] = "floor", [FR_ROUND_UP] = "up", [FR_ROUND_DOWN] = "down", [FR_ROUND_NEAREST] = "nearest"};
    return (unsigned)round < sizeof names / sizeof names[0] ? names[round] : "?";
}

static const char *const schedule_names[] = {
    [FR_SCHEDULE_AUTO] = "auto", [FR_SCHEDULE_LAYERS] = "layers", [FR_SCHEDULE_CHAIN] = "chain"};
enum { N_SCHEDULES = sizeof schedule_names / sizeof schedule_names[0] };

const char *fr_schedule_name(fr_schedule schedule) {
    return (unsigned)schedule < N_SCHEDULES ? schedule_names[schedule] : "?";
}

bool fr_schedule_from_name(const char *name, fr_schedule *out_schedule) {
    *out_schedule = FR_SCHEDULE_AUTO;
    for (unsigned i = 0; name && i < N_SCHEDULES; i++) {
        if (strcmp(name, schedule_names[i]) == 0) {
            *out_schedule = (fr_schedule)i;
            return true;
        }
    }
    return false;
}

static const char *const pinning_names[] = {
    [FR_PINNING_AUTO] = "auto", [FR_PINNING_OFF] = "off", [FR_PINNING_ON] = "on"};
enum { N_PINNINGS = sizeof pinning_names / sizeof pinning_names[0] };

const char *fr_pinning_name(fr_pinning pinning) {
    return (unsigned)pinning < N_PINNINGS ? pinning_names[pinning] : "?";
}

bool fr_pinning_from_name(const char *name, fr_pinning *out_pinning) {
    *out_pinning = FR_PINNING_AUTO;
    for (unsigned i = 0; name && i < N_PINNINGS; i++) {
        if (strcmp(name, pinning_names[i]) == 0) {
            *out_pinning = (fr_pinning)i;
            return true;
        }
    }
    return false;
}

const char *fr_dtype_name(fr_dtype dtype) {
    static const char *const names[] = {
        [FR_DTYPE_NONE] = "none", [FR_F32] = "f32", [FR_F16] = "f16", [FR_BF16] = "bf16", [FR_U8] = "u8",
        [FR_S8] = "s8",           [FR_S32] = "s32", [FR_S64] = "s64", [FR_F64] = "f64",   [FR_BOOL] = "bool",
    };
    return (unsigned)dtype < sizeof names / sizeof names[0] ? names[dtype] : "?";
}

void fr_string_free(char *text) {
    fr_free(text);
}
