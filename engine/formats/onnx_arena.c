/* An arena for protobuf messages, and the map of names. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "formats/onnx_parts.h"

enum { ARENA_ALIGN = 16, ARENA_BLOCK = 64 * 1024 };

typedef struct fr_onnx_arena_block {
    struct fr_onnx_arena_block *next;
    uint64_t pad;
} fr_onnx_arena_block;

static void *allocator_alloc(void *data, size_t bytes) {
    return fr_onnx_arena_take(data, bytes);
}

/* protobuf-c frees piece by piece; the arena goes as a whole. */
static void allocator_free(void *data, void *pointer) {
    (void)data;
    (void)pointer;
}

void fr_onnx_arena_open(fr_onnx_arena *arena, size_t limit) {
    *arena = (fr_onnx_arena){.limit = limit};
    arena->allocator = (ProtobufCAllocator){.alloc = allocator_alloc, .free = allocator_free, .allocator_data = arena};
}

void *fr_onnx_arena_take(fr_onnx_arena *arena, size_t bytes) {
    size_t want, with_head;
    if (!fr_size_add(bytes, ARENA_ALIGN - 1, &want))
        return NULL;
    want &= ~(size_t)(ARENA_ALIGN - 1);
    if (want == 0)
        want = ARENA_ALIGN;
    if (arena->limit && (want > arena->limit || arena->total > arena->limit - want)) {
        arena->denied = SIZE_MAX;
        return NULL;
    }
    if (want <= arena->room - arena->used) {
        void *at = (char *)(arena->blocks + 1) + arena->used;
        arena->used += want;
        arena->total += want;
        return at;
    }
    size_t room = want > ARENA_BLOCK / 4 ? want : ARENA_BLOCK;
    if (!fr_size_add(room, sizeof(fr_onnx_arena_block), &with_head))
        return NULL;
    fr_onnx_arena_block *block = fr_alloc(with_head);
    if (!block) {
        arena->denied = with_head;
        return NULL;
    }
    arena->total += want;
    if (room == want && arena->blocks) { /* a large piece: the newest block keeps its room */
        block->next = arena->blocks->next;
        arena->blocks->next = block;
        return block + 1;
    }
    block->next = arena->blocks;
    arena->blocks = block;
    arena->room = room;
    arena->used = want;
    return block + 1;
}

char *fr_onnx_arena_format(fr_onnx_arena *arena, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *text = length < 0 ? NULL : fr_onnx_arena_take(arena, (size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, fmt, again);
    va_end(again);
    return text;
}

void fr_onnx_arena_close(fr_onnx_arena *arena) {
    for (fr_onnx_arena_block *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        fr_free(block);
    }
    *arena = (fr_onnx_arena){0};
}

/* ---- names: open addressing, at most half full ----------------------------------------------------------------- */

static size_t names_slot(const fr_onnx_names *names, const char *key) {
    size_t at = (size_t)fr_hash_bytes(key, strlen(key), (fr_hash){0, 0}).a & (names->room - 1);
    while (names->keys[at] && strcmp(names->keys[at], key) != 0)
        at = (at + 1) & (names->room - 1);
    return at;
}

static fr_status names_grow(fr_onnx_names *names) {
    fr_onnx_names larger = {.count = names->count, .room = names->room ? names->room * 2 : 256};
    larger.keys = fr_alloc_array(larger.room, sizeof *larger.keys);
    larger.ids = fr_alloc_array(larger.room, sizeof *larger.ids);
    if (!larger.keys || !larger.ids) {
        fr_onnx_names_free(&larger);
        return fr_no_memory(larger.room * (sizeof *larger.keys + sizeof *larger.ids), "the names of an ONNX file");
    }
    for (size_t i = 0; i < names->room; i++) {
        if (!names->keys[i])
            continue;
        size_t at = names_slot(&larger, names->keys[i]);
        larger.keys[at] = names->keys[i];
        larger.ids[at] = names->ids[i];
    }
    fr_onnx_names_free(names);
    *names = larger;
    return FR_OK;
}

fr_status fr_onnx_names_put(fr_onnx_names *names, const char *key, int32_t id) {
    if ((names->count + 1) * 2 > names->room)
        FR_TRY(names_grow(names));
    size_t at = names_slot(names, key);
    names->keys[at] = key;
    names->ids[at] = id;
    names->count++;
    return FR_OK;
}

int32_t fr_onnx_names_get(const fr_onnx_names *names, const char *key) {
    if (names->room == 0)
        return -1;
    size_t at = names_slot(names, key);
    return names->keys[at] ? names->ids[at] : -1;
}

void fr_onnx_names_free(fr_onnx_names *names) {
    fr_free(names->keys);
    fr_free(names->ids);
    *names = (fr_onnx_names){0};
}

fr_status fr_onnx_name_check(const char *name, const char *what) {
    for (size_t left = strlen(name), bytes; left > 0; left -= bytes, name += bytes) {
        uint8_t byte = (uint8_t)*name;
        bytes = fr_utf8_length(name, left);
        bool control = byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (uint8_t)name[bytes > 1] < 0xa0);
        if (bytes == 0 || control)
            return fr_fail(FR_INVALID,
                           "the name of %s holds byte 0x%02x, which is no printable UTF-8: the file is damaged", what,
                           byte);
    }
    return FR_OK;
}
