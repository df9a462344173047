// needs: chain_mma_block.cuh
/*
 * chain_mma: convolutions. What a warp computes at a time is m_tiles x n_tiles tiles of 16 places and 8 outputs. The places of
 * all inputs of the group and all rows are one list, so that tiles are full. A lane finds the address of its place of each tile
 * once; from there on the taps of the window are constants.
 */

/* From a place to chunk `chunk` of a run; as chain_mma_tap. */
template <class L> static constexpr int chain_offset(int chunk) {
    constexpr int row = L::src_is_paired ? (L::kw + 1) / 2 : L::kw * L::src_chunks;
    const int y = L::runs > 1 ? 0 : chunk / row, at = L::runs > 1 ? chunk : chunk % row;
    if (y >= L::kh || at >= row)
        return 0;
    return y * L::dh * L::src_row +
           (L::src_is_paired ? at * 16 : at / L::src_chunks * L::dw * L::src_place + at % L::src_chunks * 16);
}
/* Whether the second chunk of every step lies equally far from the first: it is then a part of the lane's own address. */
template <class L> static constexpr bool chain_is_even() {
    for (int s = 1; s < L::steps; s++)
        if (chain_offset<L>(2 * s + 1) - chain_offset<L>(2 * s) != chain_offset<L>(1) - chain_offset<L>(0))
            return false;
    return true;
}

template <class L> struct chain_place { /* of the list that an operation computes */
    int index, n, y, x, row;            /* row: of the map, less than 0 and past its end in a band */
    int at;                             /* row of the band */
    inline chain_place(int place, int band) {
        const uint i = (uint)place;
        index = place;
        x = (int)(i % L::ow);
        at = (int)(i / L::ow % L::rows);
        n = (int)(i / (L::ow * L::rows));
        settle(band);
    }
    inline void settle(int band) {
        row = at + L::y0 + L::y1 * band;
        y = clamp(row, 0, L::oh - 1);
    }
    inline void next_tile(int band) { /* without a division, if it is at most one row on */
        if (L::ow < 16) {
            *this = chain_place(index + 16, band);
            return;
        }
        index += 16;
        x += 16;
        const bool is_below = x >= L::ow;
        x -= is_below ? L::ow : 0;
        at += is_below ? 1 : 0;
        const bool is_next = at >= L::rows;
        at = is_next ? 0 : at;
        n += is_next ? 1 : 0;
        settle(band);
    }
};

template <class L> static inline int chain_read_at(const chain_place<L> &p, int input, int band) {
    const int y = p.y * L::sh - L::pt - L::sy0 - L::sy1 * band, x = p.x * L::sw - L::pl + L::src_left;
    return L::src + (input + p.n) * L::src_image + y * L::src_row +
           (L::src_is_paired ? (x & 1) * L::src_copy + (x >> 1) * 16 : x * L::src_place);
}

template <class L>
static inline void chain_products(mma_c (&sum)[L::m_tiles][L::n_tiles], const int (&at)[L::m_tiles], mma_at maps,
                                  mma_at pairs, mma_at single, int half) {
    constexpr int pitch = (L::steps * 16 + 8) * 2;
    constexpr bool is_even = chain_is_even<L>();
    __syncwarp(); /* lanes come from loops of their own, and matrices are loaded together */
#pragma unroll
    for (int s = 0; s < L::steps; s++) {
        const int low = chain_offset<L>(2 * s), high = chain_offset<L>(2 * s + 1);
        const int off = is_even ? low : half ? high : low;
        mma_b b[L::n_tiles];
#pragma unroll
        for (int j = 0; j + 1 < L::n_tiles; j += 2)
            mma_load_b2(b[j], b[j + 1], pairs + (s * 32 + j * 8 * pitch));
        if (L::n_tiles % 2)
            mma_load_b(b[L::n_tiles - 1], single + (s * 32 + (L::n_tiles - 1) * 8 * pitch));
#pragma unroll
        for (int i = 0; i < L::m_tiles; i++) {
            mma_a a;
            mma_load_a(a, maps + (at[i] + off));
#pragma unroll
            for (int j = 0; j < L::n_tiles; j++)
                mma<CHAIN_TYPE>(sum[i][j], a, b[j]);
        }
    }
}

/* Sums begin with the bias where a lane's sums are whole (sm_70 adds two halves of them at the end). */
template <class L>
static inline void chain_begin(const chain_block &k, mma_c (&sum)[L::m_tiles][L::n_tiles], int first_column) {
    const float *bias = (const float *)(k.packed + L::bias_at) + first_column + mma_c_col(mma_lane(), 0);
#pragma unroll
    for (int j = 0; j < L::n_tiles; j++) {
        const float bias0 = MMA_IS_70 ? 0.0f : bias[j * 8], bias1 = MMA_IS_70 ? 0.0f : bias[j * 8 + 1];
#pragma unroll
        for (int i = 0; i < L::m_tiles; i++) {
            mma_zero(sum[i][j]);
            sum[i][j].v[0] = sum[i][j].v[2] = bias0;
            sum[i][j].v[1] = sum[i][j].v[3] = bias1;
        }
    }
}

/* Two numbers behind the activation; ReLU is a part of the conversion where the hardware has it. */
template <class L> static inline uint chain_word(float a, float b) {
#if MMA_IS_80 && !defined(FR_PAPER)
    if (L::act == 1) {
        uint both;
        if (CHAIN_TYPE == 3)
            asm("cvt.rn.relu.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(b), "f"(a));
        else
            asm("cvt.rn.relu.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(b), "f"(a));
        return both;
    }
#endif
    return mma_pack<CHAIN_TYPE>(act_scalar(a, L::act, L::act_a(), L::act_b()),
                                act_scalar(b, L::act, L::act_a(), L::act_b()));
}

template <class L>
static inline void chain_write(chain_block &k, mma_c (&sum)[L::m_tiles][L::n_tiles], int first_tile, int first_column,
                               int input, int band) {
    constexpr int places = L::inputs * L::rows * L::ow;
    const int lane = mma_lane(), column = first_column + mma_c_col(lane, 0);
    const float *bias = (const float *)(k.packed + L::bias_at) + column;
    chain_place<L> rows[2] = {{first_tile * 16 + mma_c_row(lane, 0), band}, {first_tile * 16 + mma_c_row(lane, 2), band}};
#pragma unroll
    for (int i = 0; i < L::m_tiles; i++) {
#pragma unroll
        for (int part = 0; part < 2; part++) {
            const chain_place<L> p = rows[part];
            const bool is_inside = !L::cuts || p.row == p.y;
            if (i + 1 < L::m_tiles)
                rows[part].next_tile(band);
            if (p.index >= places || (!L::fills && !is_inside))
                continue;
            char *to = k.shared + L::dst + (input + p.n) * L::dst_image + (p.row - L::dy0 - L::dy1 * band) * L::dst_row +
                       (p.x + L::dst_left) * L::dst_place + column * 2;
#pragma unroll
            for (int j = 0; j < L::n_tiles; j++) {
                const uint word = chain_word<L>(MMA_IS_70 ? sum[i][j].v[2 * part] + bias[j * 8] : sum[i][j].v[2 * part],
                                                MMA_IS_70 ? sum[i][j].v[2 * part + 1] + bias[j * 8 + 1]
                                                          : sum[i][j].v[2 * part + 1]);
                if (L::columns <= L::dst_chunks * 8 || column + j * 8 < L::dst_chunks * 8)
                    *(uint *)(to + j * 16) = is_inside ? word : 0u;
            }
        }
    }
}

template <class L> static inline void chain_conv(chain_block &k, int input, int band) {
    constexpr int places = L::inputs * L::rows * L::ow, tiles = (places + 15) / 16;
    constexpr int across = L::columns / (8 * L::n_tiles), jobs = (tiles + L::m_tiles - 1) / L::m_tiles * across;
    constexpr int pitch = (L::steps * 16 + 8) * 2;
    const int lane = mma_lane(), warp = chain_item() / 32, half = mma_a_k(lane) / 8;
    const int pair_at = mma_b2_col(lane) * pitch + mma_b2_k(lane) * 2;
    const int single_at = mma_b_col(lane) * pitch + mma_b_k(lane) * 2;
    chain_clear<L>(k, input, band);
    if (!L::is_resident && CHAIN_SLOTS == 2)
        chain_copy(chain_stream(k, k.slot), k.packed + L::weight_at, L::run_bytes);
#pragma unroll 1
    for (int round = 0; round < L::rounds; round++) {
        const int job = round * CHAIN_WARPS + warp;
        const bool is_mine = job < jobs;
        const int first_tile = (is_mine ? job / across : 0) * L::m_tiles, group = is_mine ? job % across : 0;
        int at[L::m_tiles];
        mma_c sum[L::m_tiles][L::n_tiles];
        chain_place<L> row(first_tile * 16 + mma_a_row(lane), band);
        const int none = chain_read_at<L>(chain_place<L>(0, band), input, band); /* what is read past the last place */
#pragma unroll
        for (int i = 0; i < L::m_tiles; i++) {
            at[i] = row.index < places ? chain_read_at<L>(row, input, band) : none;
            if (i + 1 < L::m_tiles)
                row.next_tile(band);
            if (chain_is_even<L>() && half)
                at[i] += chain_offset<L>(1) - chain_offset<L>(0);
        }
        chain_begin<L>(k, sum, group * L::n_tiles * 8);
#pragma unroll 1
        for (int run = 0; run < L::runs; run++) {
            const char *weights = k.shared + L::resident_at + run * L::run_bytes;
            if (!L::is_resident && CHAIN_SLOTS == 1) {
                __syncthreads();
                chain_copy(chain_stream(k, 0), k.packed + L::weight_at + run * L::run_bytes, L::run_bytes);
                __syncthreads();
                weights = chain_stream(k, 0);
            } else if (!L::is_resident) { /* all have read the other buffer, and see what is in this one */
                mma_copy_wait<0>();
                __syncthreads();
                weights = chain_stream(k, k.slot);
                k.slot ^= 1;
                const bool is_last_run = run + 1 == L::runs;
                if (!is_last_run || round + 1 < L::rounds)
                    chain_copy(chain_stream(k, k.slot),
                               k.packed + L::weight_at + (is_last_run ? 0 : (run + 1) * L::run_bytes), L::run_bytes);
            }
            weights += group * (L::n_tiles * 8) * pitch;
            if (is_mine)
                chain_products<L>(sum, at, mma_at_of(k.shared), mma_at_of(weights + pair_at),
                                  mma_at_of(weights + single_at), half);
#pragma unroll
            for (int i = 0; i < L::m_tiles; i++)
                at[i] += L::dh * L::src_row;
        }
        if (L::takes_over)
            __syncthreads();
        if (is_mine) {
#pragma unroll
            for (int i = 0; i < L::m_tiles; i++) {
#pragma unroll
                for (int j = 0; j < L::n_tiles; j++)
                    mma_done(sum[i][j]);
            }
            chain_write<L>(k, sum, first_tile, group * L::n_tiles * 8, input, band);
        }
    }
}
