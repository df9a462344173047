/* What the sources of the ONNX reader and writer share. Nobody else includes it. */
#ifndef FR_FORMATS_ONNX_PARTS_H
#define FR_FORMATS_ONNX_PARTS_H

#include "base/alloc.h"
#include "base/status.h"
#include "base/text.h"
#include "formats/onnx.h"
#include "graph/ops.h"

#include <onnx.pb-c.h>

enum {
    FR_ONNX_OPSET_MIN = 7,
    FR_ONNX_OPSET_MAX = 21,
    FR_ONNX_OPSET_WRITTEN = 13,
    FR_ONNX_IR_WRITTEN = 8,
    FR_ONNX_MAX_NODES = 65536,
    FR_ONNX_MAX_ENDS = 256, /* inputs, outputs */
    FR_ONNX_MOVABLE = 4     /* no op has an attribute at input 4 or later */
};

/* ---- arena: what protobuf-c unpacks into, and what the writer builds its messages in ------------------------- */

typedef struct fr_onnx_arena {
    struct fr_onnx_arena_block *blocks;
    size_t used, room;   /* of the newest block */
    size_t total, limit; /* bytes taken; 0 = no limit */
    size_t denied;       /* of a piece that was not given: its bytes; SIZE_MAX when it was the limit */
    ProtobufCAllocator allocator;
} fr_onnx_arena;

void fr_onnx_arena_open(fr_onnx_arena *arena, size_t limit);
void *fr_onnx_arena_take(fr_onnx_arena *arena, size_t bytes); /* zeroed; NULL past the limit or without memory */
char *fr_onnx_arena_format(fr_onnx_arena *arena, const char *fmt, ...) FR_PRINTF(2, 3);
void fr_onnx_arena_close(fr_onnx_arena *arena); /* all at once; an arena that was {0} is fine */

/* ---- names: text -> number ------------------------------------------------------------------------------------ */

typedef struct fr_onnx_names {
    const char **keys;
    int32_t *ids;
    size_t count, room;
} fr_onnx_names; /* {0} is empty; keys are not copied */

fr_status fr_onnx_names_put(fr_onnx_names *names, const char *key, int32_t id) FR_MUST_CHECK; /* key must be new */
int32_t fr_onnx_names_get(const fr_onnx_names *names, const char *key);                       /* -1 when absent */
void fr_onnx_names_free(fr_onnx_names *names);
/* FR_INVALID unless it is UTF-8 without control characters: names stand in sentences, tables and JSON. */
fr_status fr_onnx_name_check(const char *name, const char *what) FR_MUST_CHECK;

/* ---- tensors --------------------------------------------------------------------------------------------------- */

typedef struct fr_onnx_tensor {
    fr_dtype dtype;
    fr_shape shape;
    void *data;
} fr_onnx_tensor; /* F32 or S64; data by fr_free */

/* What constants of this ONNX type become: FR_F32, FR_S64, or FR_DTYPE_NONE when foldrun can't read them. */
fr_dtype fr_onnx_dtype(int32_t onnx_type);
const char *fr_onnx_dtype_name(int32_t onnx_type);
fr_status fr_onnx_tensor_read(const Onnx__TensorProto *tensor, const char *name, const char *folder,
                              fr_onnx_tensor *out) FR_MUST_CHECK;
/* The tensor's bytes from a file in `folder` (fr_free); FR_INVALID for a location that leaves it. */
fr_status fr_onnx_external_read(const Onnx__TensorProto *tensor, const char *name, const char *folder, size_t bytes,
                                uint8_t **out_data) FR_MUST_CHECK;

/* ---- import ---------------------------------------------------------------------------------------------------- */

/* A tensor of the file, by name. Values of the graph are made when first referred to: what only fed an attribute
 * (Clip's limits, Squeeze's axes) never enters the graph. */
typedef struct fr_onnx_source {
    const char *name;
    const Onnx__TensorProto *tensor;     /* initializer, or Constant's value */
    const Onnx__AttributeProto *numbers; /* Constant's value_float(s) or value_int(s) */
    int32_t value;                       /* -1 until made */
    bool from_input;                     /* an input of the model */
    bool read;                           /* by a node, or an output of the graph */
    bool refused;                        /* has its row in the table */
} fr_onnx_source;

enum { FR_ONNX_FAULT_CELLS = 4 };
typedef struct fr_onnx_fault {
    char *cell[FR_ONNX_FAULT_CELLS];
} fr_onnx_fault; /* name, op, why, what to do */

typedef struct fr_onnx_import {
    const Onnx__ModelProto *model;
    const char *folder;
    int32_t opset;
    fr_graph *graph;
    fr_onnx_source *sources;
    int32_t n_sources, cap_sources;
    fr_onnx_names names; /* into sources */
    fr_onnx_fault *faults;
    int32_t n_faults, cap_faults;
} fr_onnx_import;

/* From an unpacked model to a graph with shapes; out_report as in onnx.h. A NULL name: the file's own. */
fr_status fr_onnx_build(const Onnx__ModelProto *model, const char *folder, const char *name, fr_graph **out_graph,
                        char **out_report) FR_MUST_CHECK;

fr_onnx_source *fr_onnx_source_find(fr_onnx_import *in, const char *name);
/* The numbers of a constant source; FR_INVALID when they are damaged. The source must be constant. */
fr_status fr_onnx_source_read(fr_onnx_import *in, const fr_onnx_source *source, fr_onnx_tensor *out) FR_MUST_CHECK;
static inline bool fr_onnx_source_is_const(const fr_onnx_source *source) {
    return source->tensor || source->numbers;
}

/* One row of the table; the call itself fails only without memory. */
fr_status fr_onnx_fault_add(fr_onnx_import *in, const char *name, const char *op, const char *advice,
                            const char *why_fmt, ...) FR_PRINTF(5, 6) FR_MUST_CHECK;
/* FR_UNSUPPORTED when there are faults, with the table in *out_report. */
fr_status fr_onnx_faults_report(const fr_onnx_import *in, char **out_report) FR_MUST_CHECK;
void fr_onnx_faults_free(fr_onnx_import *in);

/* Attributes of one node. A node at fault adds a row to the table and sets *out_refused. */
fr_status fr_onnx_node_attrs(fr_onnx_import *in, const Onnx__NodeProto *node, const fr_op_info *op, fr_attrs *attrs,
                             bool *out_refused) FR_MUST_CHECK;
/* Inputs that are attributes in the graph; moved[i] says that input i is one and leaves the node. */
fr_status fr_onnx_node_inputs(fr_onnx_import *in, const Onnx__NodeProto *node, const fr_op_info *op, fr_attrs *attrs,
                              bool moved[FR_ONNX_MOVABLE], bool *out_refused) FR_MUST_CHECK;
/* A name to speak of it: its own, else that of its first output. */
const char *fr_onnx_node_name(const Onnx__NodeProto *node);

/* ---- metadata -------------------------------------------------------------------------------------------------- */

/* Reads foldrun.* into graph->meta, name and title, fills in what is absent, and checks it against the shapes. */
fr_status fr_onnx_meta_read(const Onnx__ModelProto *model, fr_graph *graph) FR_MUST_CHECK;
fr_status fr_onnx_meta_write(const fr_graph *graph, fr_onnx_arena *arena, Onnx__ModelProto *model) FR_MUST_CHECK;

/* ---- export ---------------------------------------------------------------------------------------------------- */

enum { FR_ONNX_PROBE_BATCH = 3 }; /* what depends on the batch is what differs between a batch of 1 and this one */

typedef struct fr_onnx_export {
    const fr_graph *graph; /* shapes of a batch of 1, weights made */
    const bool *batched;   /* by value id: dimension 0 is the batch */
    bool *written;         /* by value id: the constant is among the initializers */
    int32_t opset;
    fr_onnx_arena arena;
    fr_onnx_names names; /* every tensor name of the file */
    Onnx__GraphProto *proto;
    size_t cap_nodes, cap_initializers;
} fr_onnx_export;

/* The opset that the graph's nodes need: 13, or later where 13 has no way to say it. */
int32_t fr_onnx_opset_needed(const fr_graph *graph);
/* Adds the node, and before it the constants that it reads first. */
fr_status fr_onnx_write_node(fr_onnx_export *out, const fr_node *node) FR_MUST_CHECK;
/* The value's name; a constant is added to the initializers on its first use. */
fr_status fr_onnx_write_value(fr_onnx_export *out, int32_t value, const char **out_name) FR_MUST_CHECK;
/* A constant of the file alone, named after the tensor `base` ("base.part"). data is copied. */
fr_status fr_onnx_write_const(fr_onnx_export *out, const char *base, const char *part, fr_dtype dtype,
                              const fr_shape *shape, const void *data, const char **out_name) FR_MUST_CHECK;
/* A tensor name that the file does not have yet, taken from now on. */
fr_status fr_onnx_write_name(fr_onnx_export *out, const char *base, const char *part,
                             const char **out_name) FR_MUST_CHECK;

#endif
