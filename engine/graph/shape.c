/* Shapes: counting, comparing, broadcasting, printing. */
#include <stdio.h>

#include "base/alloc.h"
#include "graph/op_parts.h"

size_t fr_shape_elements(const fr_shape *shape) {
    size_t count = 1;
    bool overflow = false, none = false;
    for (int32_t i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0)
            return SIZE_MAX;
        none |= shape->dim[i] == 0;
        overflow |= !none && !fr_size_mul(count, (size_t)shape->dim[i], &count);
    }
    return none ? 0 : overflow ? SIZE_MAX : count;
}

bool fr_shape_equal(const fr_shape *a, const fr_shape *b) {
    if (a->rank != b->rank)
        return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

void fr_shape_text(const fr_shape *shape, char *out, size_t bytes) {
    size_t used = 0;
    if (bytes == 0)
        return;
    snprintf(out, bytes, "%s", shape->rank == 0 ? "scalar" : "");
    for (int32_t i = 0; i < shape->rank && used < bytes; i++) {
        int wrote = snprintf(out + used, bytes - used, "%s%lld", i ? "x" : "", (long long)shape->dim[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

bool fr_shape_broadcast(const fr_shape *a, const fr_shape *b, fr_shape *out) {
    int32_t rank = a->rank > b->rank ? a->rank : b->rank;
    fr_shape made = {.rank = rank};
    for (int32_t i = 0; i < rank; i++) {
        int32_t ia = i - (rank - a->rank), ib = i - (rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        made.dim[i] = da == 1 ? db : da;
    }
    *out = made;
    return true;
}

int64_t fr_shape_span(const fr_shape *shape, int32_t first, int32_t last) {
    int64_t count = 1;
    for (int32_t i = first; i < last; i++)
        count *= shape->dim[i];
    return count;
}
