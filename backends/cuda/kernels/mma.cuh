/*
 * A warp's matrix instructions. C (16 rows x 8 columns, f32) += A (16 rows x k) * B (k x 8 columns); a step of k is 32 bytes of
 * each row, whatever the type: 16 halves, 8 f32 words (tf32), 32 bytes. In a convolution rows are pixels, columns outputs.
 *
 * A and B come from shared memory by runs of 16 bytes: each lane says where one run lies, the one of row mma_a_row(lane) of A (or
 * column mma_b_col(lane) of B, which is stored as [column][k]) that begins mma_a_k(lane) halves into the step. So rows may lie
 * anywhere, 16 bytes aligned. Eight neighbouring rows at one k are read at once: they should lie in different banks.
 *
 * sm_80 has it all; sm_75 has f16 (and s8) in smaller steps; sm_70 has f16 only, without ldmatrix and in another order: its quad
 * pairs halve k between them, so that sums are complete after mma_done() alone. mma_c_row() and mma_c_col() say where a lane's
 * sums are.
 */
#ifndef MMA_CUH
#define MMA_CUH

#define MMA_IS_70 (__CUDA_ARCH__ < 750)
#define MMA_IS_80 (__CUDA_ARCH__ >= 800)

enum { MMA_TF32 = 1, MMA_F16 = 2, MMA_BF16 = 3 }; /* numbers of fr_dtype */
enum { MMA_SUMS = 4, MMA_STEP_BYTES = 32 };       /* of a lane, after mma_done(); of a row */

struct mma_a {
    unsigned r[4];
};
struct mma_b {
    unsigned r[MMA_IS_70 ? 4 : 2];
};
struct mma_c {
    float v[MMA_IS_70 ? 8 : 4];
};
struct mma_whole { /* sums of s8 products */
    int v[4];
};

/* ---- lanes --------------------------------------------------------------------------------------------------------- */

static inline int mma_lane() { return (int)(threadIdx.x % 32); } /* blocks have one dimension */

#if MMA_IS_70
/* Lanes 0-7 and 8-15 hold rows 0-7 at k = 0 and 8, lanes 16-31 rows 8-15: quad pairs 0 and 1 sum the first half of k. */
static inline int mma_a_row(int lane) { return lane % 8 + lane / 16 * 8; }
static inline int mma_a_k(int lane) { return lane / 8 % 2 * 8; }
static inline int mma_b_col(int lane) { return lane % 4 + lane / 16 * 4; }
static inline int mma_b_k(int lane) { return lane / 8 % 2 * 8; }
static inline int mma_c_row(int lane, int i) { return lane % 2 + (i & 2) + lane / 4 % 2 * 4 + lane / 16 * 8; }
static inline int mma_c_col(int lane, int i) { return lane / 8 % 2 * 4 + (lane & 2) + i % 2; }
#else
static inline int mma_a_row(int lane) { return lane % 16; }
static inline int mma_a_k(int lane) { return lane / 16 * 8; }
static inline int mma_b_col(int lane) { return lane % 8; }
static inline int mma_b_k(int lane) { return lane / 8 % 2 * 8; }
static inline int mma_c_row(int lane, int i) { return lane / 4 + i / 2 * 8; }
static inline int mma_c_col(int lane, int i) { return lane % 4 * 2 + i % 2; }
#endif
/* Two neighbouring tiles of B, 16 columns. Sums 2j and 2j+1 of a lane are neighbouring columns of one row. */
static inline int mma_b2_col(int lane) { return lane % 8 + lane / 16 * 8; }
static inline int mma_b2_k(int lane) { return lane / 8 % 2 * 8; }

/* Where a lane's word i of A is, for those who gather A themselves: row, and word (4 bytes) of the step. */
static inline int mma_word_row(int lane, int i) { return MMA_IS_70 ? mma_a_row(lane) : lane / 4 + i % 2 * 8; }
static inline int mma_word(int lane, int i) { return MMA_IS_70 ? mma_a_k(lane) / 2 + i : lane % 4 + i / 2 * 4; }

static inline void mma_zero(mma_c &c) {
    for (int i = 0; i < (MMA_IS_70 ? 8 : 4); i++)
        c.v[i] = 0.0f;
}

/* ---- what the hardware does, in PTX or on paper ---------------------------------------------------------------------- */

#ifdef FR_PAPER
typedef const char *mma_at; /* an address in shared memory; counts bytes */
static inline mma_at mma_at_of(const void *shared) { return (mma_at)shared; }

template <int N> static inline void mma_ldmatrix(unsigned *r, mma_at at) {
    const mma_at *all = paper_exchange(at);
    int lane = mma_lane();
    for (int m = 0; m < N; m++)
        r[m] = *(const unsigned *)(all[m * 8 + lane / 4] + lane % 4 * 4);
}
static inline unsigned mma_read4(mma_at at) { return *(const unsigned *)at; }
static inline void mma_read16(unsigned *r, mma_at at) {
    for (int i = 0; i < 4; i++)
        r[i] = ((const unsigned *)at)[i];
}
static inline float mma_paper_number(unsigned word, int part, int dtype) {
    unsigned short half = (unsigned short)(part ? word >> 16 : word);
    if (dtype == MMA_F16)
        return fr_f16_to_f32(half);
    if (dtype == MMA_BF16)
        return fr_bf16_to_f32(half);
    union {
        unsigned bits;
        float number;
    } as = {word & ~0x1fffu}; /* the instruction reads no more than this */
    return as.number;
}

/* m16n8, RUNS runs of 16 bytes of k: m16n8k16 (2) and m16n8k8 (1) of halves, m16n8k8 of words (2). */
struct mma_paper_ab {
    unsigned a[4], b[2];
};
template <int dtype, int RUNS> static inline void mma_m16n8(float *c, const unsigned *a, const unsigned *b) {
    mma_paper_ab mine = {};
    for (int i = 0; i < 2 * RUNS; i++)
        mine.a[i] = a[i];
    for (int i = 0; i < RUNS; i++)
        mine.b[i] = b[i];
    const mma_paper_ab *all = paper_exchange(mine);
    const int parts = dtype == MMA_TF32 ? 1 : 2, lane = mma_lane();
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;
        for (int run = 0; run < RUNS; run++)
            for (int word = 0; word < 4; word++)
                for (int part = 0; part < parts; part++)
                    c[i] += mma_paper_number(all[row % 8 * 4 + word].a[run * 2 + row / 8], part, dtype) *
                            mma_paper_number(all[col * 4 + word].b[run], part, dtype);
    }
}

/* m8n8k4 of halves: four quad pairs, each its own product of lanes 4q..4q+3 and 16+4q..16+4q+3. */
struct mma_paper_quad {
    unsigned a[2], b[2];
};
static inline void mma_m8n8k4(float *c, const unsigned *a, const unsigned *b) {
    mma_paper_quad mine = {{a[0], a[1]}, {b[0], b[1]}};
    const mma_paper_quad *all = paper_exchange(mine);
    int lane = mma_lane(), quad = lane / 4 % 4 * 4;
    for (int i = 0; i < 8; i++) {
        int row = lane % 2 + (i & 2) + lane / 16 * 4, col = (i & 4) + (lane & 2) + i % 2;
        for (int k = 0; k < 4; k++)
            c[i] += mma_paper_number(all[quad + row % 4 + row / 4 * 16].a[k / 2], k % 2, MMA_F16) *
                    mma_paper_number(all[quad + col % 4 + col / 4 * 16].b[k / 2], k % 2, MMA_F16);
    }
}
template <class T> static inline T mma_from_lane(T mine, int lane) { return paper_exchange(mine)[lane]; }

static inline int mma_paper_byte(unsigned word, int part, bool is_signed) {
    int byte = (int)(word >> part * 8 & 255);
    return is_signed && byte > 127 ? byte - 256 : byte;
}
/* m16n8k32 (ROWS 16, RUNS 2) and m8n8k16 (8, 1) of bytes. */
template <bool is_signed, int ROWS, int RUNS>
static inline void mma_bytes(int *c, const unsigned *a, const unsigned *b) {
    mma_paper_ab mine = {};
    for (int i = 0; i < ROWS / 8 * RUNS; i++)
        mine.a[i] = a[i];
    for (int i = 0; i < RUNS; i++)
        mine.b[i] = b[i];
    const mma_paper_ab *all = paper_exchange(mine);
    int lane = mma_lane();
    for (int i = 0; i < ROWS / 4; i++) {
        int row = lane / 4 + i / 2 * 8, col = lane % 4 * 2 + i % 2;
        for (int k = 0; k < RUNS * 16; k++)
            c[i] += mma_paper_byte(all[row % 8 * 4 + k % 16 / 4].a[k / 16 * (ROWS / 8) + row / 8], k % 4, is_signed) *
                    mma_paper_byte(all[col * 4 + k % 16 / 4].b[k / 16], k % 4, true);
    }
}
static inline unsigned mma_round_word(unsigned word) { return (word + 0x1000u) & ~0x1fffu; }

#else
typedef unsigned mma_at;
static inline mma_at mma_at_of(const void *shared) { return (mma_at)__cvta_generic_to_shared(shared); }
static inline unsigned mma_read4(mma_at at) {
    unsigned word;
    asm volatile("ld.shared.b32 %0, [%1];" : "=r"(word) : "r"(at) : "memory");
    return word;
}

#if MMA_IS_70
template <class T> static inline T mma_from_lane(T mine, int lane) { return __shfl_sync(0xffffffffu, mine, lane); }
static inline void mma_read16(unsigned *r, mma_at at) {
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];" : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at)
                 : "memory");
}
static inline void mma_m8n8k4(float *c, const unsigned *a, const unsigned *b) {
    asm volatile("mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%0, %1, %2, %3, %4, %5, %6, %7}, {%8, %9}, {%10, %11}, "
                 "{%0, %1, %2, %3, %4, %5, %6, %7};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7])
                 : "r"(a[0]), "r"(a[1]), "r"(b[0]), "r"(b[1]));
}
#else
template <int N> static inline void mma_ldmatrix(unsigned *r, mma_at at) {
    if (N == 4)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(at) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(at)
                     : "memory");
}
#define MMA_LONG_(shape, types)                                                                                 \
    asm volatile("mma.sync.aligned." shape ".row.col." types " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, " \
                 "{%0, %1, %2, %3};"                                                                           \
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])                                              \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define MMA_BYTES_(types)                                                                                         \
    asm volatile("mma.sync.aligned.m16n8k32.row.col." types " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "      \
                 "{%0, %1, %2, %3};"                                                                              \
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])                                                 \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define MMA_FEW_BYTES_(types)                                                                               \
    asm volatile("mma.sync.aligned.m8n8k16.row.col." types " {%0, %1}, {%2}, {%3}, {%0, %1};"               \
                 : "+r"(c[0]), "+r"(c[1]) : "r"(a[0]), "r"(b[0]))
template <int dtype, int RUNS> static inline void mma_m16n8(float *c, const unsigned *a, const unsigned *b) {
#if MMA_IS_80
    if (dtype == MMA_F16)
        MMA_LONG_("m16n8k16", "f32.f16.f16.f32");
    else if (dtype == MMA_BF16)
        MMA_LONG_("m16n8k16", "f32.bf16.bf16.f32");
    else
        MMA_LONG_("m16n8k8", "f32.tf32.tf32.f32");
#else
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(b[0]));
#endif
}
template <bool is_signed, int ROWS, int RUNS>
static inline void mma_bytes(int *c, const unsigned *a, const unsigned *b) {
#if MMA_IS_80
    if (is_signed)
        MMA_BYTES_("s32.s8.s8.s32");
    else
        MMA_BYTES_("s32.u8.s8.s32");
#else
    if (is_signed)
        MMA_FEW_BYTES_("s32.s8.s8.s32");
    else
        MMA_FEW_BYTES_("s32.u8.s8.s32");
#endif
}
#if MMA_IS_80
static inline unsigned mma_round_word(unsigned word) {
    unsigned rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(__uint_as_float(word)));
    return rounded;
}
#endif
#endif
#endif

/* ---- loads --------------------------------------------------------------------------------------------------------- */

static inline void mma_load_a(mma_a &a, mma_at at) {
#if MMA_IS_70
    mma_read16(a.r, at);
#else
    mma_ldmatrix<4>(a.r, at);
#endif
}

/* One tile of 8 columns: lane 16 and those after it say what lane - 16 says, or on sm_70 what their functions say. */
static inline void mma_load_b(mma_b &b, mma_at at) {
#if MMA_IS_70
    mma_read16(b.r, at);
#else
    mma_ldmatrix<2>(b.r, at);
#endif
}

/* Columns 0-7 and 8-15: each lane's run is of column mma_b2_col(lane). */
static inline void mma_load_b2(mma_b &low, mma_b &high, mma_at at) {
#if MMA_IS_70
    int lane = mma_lane(), from = mma_b_col(lane) + mma_b_k(lane);
    mma_at first = mma_from_lane(at, from), second = mma_from_lane(at, from + 16);
    mma_read16(low.r, first);
    mma_read16(high.r, second);
#else
    unsigned r[4];
    mma_ldmatrix<4>(r, at);
    for (int i = 0; i < 2; i++) {
        low.r[i] = r[i];
        high.r[i] = r[2 + i];
    }
#endif
}

/* tf32: words as the instruction wants them, rounded to nearest (it would cut them off). */
#if MMA_IS_80
static inline void mma_round(mma_a &a) {
    for (int i = 0; i < 4; i++)
        a.r[i] = mma_round_word(a.r[i]);
}
static inline void mma_round(mma_b &b) {
    for (int i = 0; i < 2; i++)
        b.r[i] = mma_round_word(b.r[i]);
}
#endif

/* ---- products ------------------------------------------------------------------------------------------------------ */

/* dtype: MMA_F16 everywhere; MMA_BF16 and MMA_TF32 from sm_80 on. */
template <int dtype> static inline void mma(mma_c &c, const mma_a &a, const mma_b &b) {
#if MMA_IS_70
    mma_m8n8k4(c.v, a.r, b.r);
    mma_m8n8k4(c.v, a.r + 2, b.r + 2);
#elif MMA_IS_80
    mma_m16n8<dtype, 2>(c.v, a.r, b.r);
#else
    mma_m16n8<dtype, 1>(c.v, a.r, b.r);
    mma_m16n8<dtype, 1>(c.v, a.r + 2, b.r + 1);
#endif
}

/* After the last product: v[0..3] are the sums. */
static inline void mma_done(mma_c &c) {
#if MMA_IS_70
    int lane = mma_lane();
    bool is_second = lane / 8 % 2 != 0; /* it keeps columns 4-7 */
    for (int i = 0; i < 4; i++) {
        float given = is_second ? c.v[i] : c.v[4 + i], kept = is_second ? c.v[4 + i] : c.v[i];
        c.v[i] = kept + mma_from_lane(given, lane ^ 8);
    }
#else
    (void)c;
#endif
}

#if !MMA_IS_70
/* A of u8 or s8, B of s8; a step is 32 numbers. */
template <bool is_signed> static inline void mma_int8(mma_whole &c, const mma_a &a, const mma_b &b) {
#if MMA_IS_80
    mma_bytes<is_signed, 16, 2>(c.v, a.r, b.r);
#else
    for (int run = 0; run < 2; run++)
        for (int half = 0; half < 2; half++)
            mma_bytes<is_signed, 8, 1>(c.v + half * 2, a.r + run * 2 + half, b.r + run);
#endif
}
#endif

/* ---- numbers of 16 bits --------------------------------------------------------------------------------------------- */

/* Two numbers, rounded to nearest, the first in the low half. */
template <int dtype> static inline unsigned mma_pack(float low, float high) {
#ifdef FR_PAPER
    unsigned short a = dtype == MMA_BF16 ? fr_f32_to_bf16(low) : fr_f32_to_f16(low);
    unsigned short b = dtype == MMA_BF16 ? fr_f32_to_bf16(high) : fr_f32_to_f16(high);
    return (unsigned)a | (unsigned)b << 16;
#else
    unsigned both;
#if MMA_IS_80
    if (dtype == MMA_BF16)
        asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    else
        asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
#else
    asm("{ .reg .b16 a, b; cvt.rn.f16.f32 a, %1; cvt.rn.f16.f32 b, %2; mov.b32 %0, {a, b}; }"
        : "=r"(both) : "f"(low), "f"(high));
#endif
    return both;
#endif
}

/* The number in the low half of a word. */
template <int dtype> static inline float mma_unpack(unsigned word) {
#ifdef FR_PAPER
    return mma_paper_number(word, 0, dtype);
#else
    if (dtype == MMA_BF16)
        return __uint_as_float(word << 16);
    float number;
    asm("{ .reg .b16 a, b; mov.b32 {a, b}, %1; cvt.f32.f16 %0, a; }" : "=f"(number) : "r"(word));
    return number;
#endif
}

/* The larger ones of two pairs; a number where the other one is none. */
template <int dtype> static inline unsigned mma_larger(unsigned a, unsigned b) {
#if MMA_IS_80 && !defined(FR_PAPER)
    unsigned both;
    if (dtype == MMA_BF16)
        asm("max.bf16x2 %0, %1, %2;" : "=r"(both) : "r"(a), "r"(b));
    else
        asm("max.f16x2 %0, %1, %2;" : "=r"(both) : "r"(a), "r"(b));
    return both;
#else
    return mma_pack<dtype>(fmaxf(mma_unpack<dtype>(a), mma_unpack<dtype>(b)),
                           fmaxf(mma_unpack<dtype>(a >> 16), mma_unpack<dtype>(b >> 16)));
#endif
}

/* ---- copies from global to shared memory ------------------------------------------------------------------------------ */

/* BYTES: 4, 8 or 16, and so aligned both; zeros where !exists, and then nothing is read. In flight until mma_copy_wait(), from
 * sm_80 on; others see it after __syncthreads() as they see any store. */
template <int BYTES> static inline void mma_copy(void *to, const void *from, bool exists) {
#if MMA_IS_80 && defined(FR_PAPER)
    paper_copy(to, from, BYTES, exists ? BYTES : 0);
#elif MMA_IS_80
    if (BYTES == 16) /* past the first cache: it is read once */
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(mma_at_of(to)), "l"(from),
                     "r"(exists ? 16 : 0) : "memory");
    else
        asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(mma_at_of(to)), "l"(from), "n"(BYTES),
                     "r"(exists ? BYTES : 0) : "memory");
#else
    struct __align__(BYTES) block {
        unsigned word[BYTES / 4];
    };
    *(block *)to = exists ? *(const block *)from : block{};
#endif
}
/* Closes a group of copies; waits until at most MORE groups, the newest, are in flight (this thread's own). */
static inline void mma_copy_commit() {
#if MMA_IS_80 && defined(FR_PAPER)
    paper_copy_commit();
#elif MMA_IS_80
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int MORE> static inline void mma_copy_wait() {
#if MMA_IS_80 && defined(FR_PAPER)
    paper_copy_wait(MORE);
#elif MMA_IS_80
    asm volatile("cp.async.wait_group %0;" ::"n"(MORE) : "memory");
#endif
}

/* The launch's shared memory, 16 bytes aligned. */
#ifdef FR_PAPER
#define MMA_DYNAMIC(name) char *name = paper_dynamic<char>()
#else
#define MMA_DYNAMIC(name) extern __shared__ __align__(16) char name[]
#endif

#endif
