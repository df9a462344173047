#include "formats/npy.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"

/* A version 1 file around this dictionary and payload; returns its bytes. */
static size_t build(uint8_t *out, int version, const char *dict, const void *payload, size_t payload_bytes) {
    size_t length = strlen(dict), prefix = version == 1 ? 10 : 12;
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (uint8_t)version;
    out[7] = 0;
    memset(out + 8, 0, prefix - 8);
    out[8] = (uint8_t)length;
    out[9] = (uint8_t)(length >> 8);
    memcpy(out + prefix, dict, length);
    if (payload_bytes > 0)
        memcpy(out + prefix + length, payload, payload_bytes);
    return prefix + length + payload_bytes;
}

static const float six[6] = {1, 2.5f, -3, 4, 5, 6};
static const char good[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";

TEST(all_versions_read) {
    for (int version = 1; version <= 3; version++) {
        uint8_t file[256];
        fr_npy npy;
        size_t bytes = build(file, version, good, six, sizeof six);
        CHECK_OK(fr_npy_parse(file, bytes, "a.npy", &npy));
        CHECK_INT(npy.dtype, FR_F32);
        CHECK_INT(npy.shape.rank, 2);
        CHECK_INT(npy.shape.dim[0], 2);
        CHECK_INT(npy.shape.dim[1], 3);
        CHECK(memcmp(npy.data, six, sizeof six) == 0);
        fr_free(npy.data);
    }
}

TEST(header_and_parse_agree) {
    const fr_dtype dtypes[] = {FR_U8, FR_S8, FR_F32, FR_F64, FR_S32, FR_S64};
    const fr_shape shapes[] = {
        {0}, {1, {5}}, {2, {2, 3}}, {4, {1, 22, 52, 3}}, {2, {0, 7}}, {8, {1, 2, 1, 2, 1, 2, 1, 2}}};
    for (size_t d = 0; d < sizeof dtypes / sizeof dtypes[0]; d++) {
        for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
            char *header;
            size_t bytes, offset, payload, elements = 1;
            fr_npy npy;
            CHECK_OK(fr_npy_header(dtypes[d], &shapes[s], &header, &bytes));
            CHECK_INT(bytes % 64, 0);
            CHECK_OK(fr_npy_head(header, bytes, "made", &npy, &offset, &payload));
            fr_free(header);
            for (int i = 0; i < shapes[s].rank; i++) {
                CHECK_INT(npy.shape.dim[i], shapes[s].dim[i]);
                elements *= (size_t)shapes[s].dim[i];
            }
            CHECK_INT(npy.shape.rank, shapes[s].rank);
            CHECK_INT(npy.dtype, dtypes[d]);
            CHECK_INT(offset, bytes);
            CHECK_INT(payload, elements * fr_dtype_bytes(dtypes[d]));
        }
    }
}

TEST(every_cut_is_refused) {
    uint8_t file[256];
    fr_npy npy;
    size_t bytes = build(file, 1, good, six, sizeof six);
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *exact = fr_alloc(cut); /* so that a step past the end is seen */
        memcpy(exact, file, cut);
        CHECK_INT(fr_npy_parse(exact, cut, "cut.npy", &npy), FR_INVALID);
        CHECK(npy.data == NULL);
        fr_free(exact);
    }
    CHECK_INT(fr_npy_parse(file, bytes - 5, "cut.npy", &npy), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "5 bytes of the array are missing");
}

static void refused(const char *dict, fr_status want, const char *words) {
    uint8_t file[512];
    fr_npy npy;
    size_t bytes = build(file, 1, dict, six, sizeof six);
    CHECK_INT(fr_npy_parse(file, bytes, "bad.npy", &npy), want);
    CHECK(npy.data == NULL);
    CHECK_HAS(fr_error_sentence(), "bad.npy");
    CHECK_HAS(fr_error_sentence(), words);
}

TEST(bad_headers_say_why) {
    refused("{'descr': '>f4', 'fortran_order': False, 'shape': (6,)}", FR_UNSUPPORTED, "big-endian");
    refused("{'descr': '<c8', 'fortran_order': False, 'shape': (6,)}", FR_UNSUPPORTED, "'<c8'");
    refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,)}", FR_UNSUPPORTED, "records");
    refused("{'descr': '<f4', 'fortran_order': True, 'shape': (6,)}", FR_UNSUPPORTED, "Fortran");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6)}", FR_UNSUPPORTED, "more than 8");
    refused("{'descr': '<f4', 'fortran_order': False}", FR_INVALID, "shape expected");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'colour': 'red'}", FR_INVALID, "colour");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}", FR_INVALID, "a dimension");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", FR_INVALID, "64 bits");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}", FR_INVALID, "memory");
    refused("{'descr': '<f4', 'fortran_order': False, 'shape': (6,)} and more", FR_INVALID, "nothing after");
    refused("{'descr': '<f4", FR_INVALID, "quoted");
    refused("", FR_INVALID, "'{'");
}

TEST(not_npy) {
    fr_npy npy;
    CHECK_INT(fr_npy_parse("PK\3\4 something else", 20, "x.npz", &npy), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "x.npz: not a .npy file");
    CHECK_INT(fr_npy_parse("\x93NUMPY\x09\x00\x02\x00{}  ", 14, "v9.npy", &npy), FR_UNSUPPORTED);
    CHECK_HAS(fr_error_sentence(), "version 9.0");
    CHECK_INT(fr_npy_parse("\x93NUMPY\x02\x00\xff\xff\xff\x7f{}", 14, "huge.npy", &npy), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "claims");
}

CHECK_MAIN
