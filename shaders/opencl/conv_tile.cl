/*
 * The register tile that convolutions and matrix products are made of: PX pixels x CB vectors of VW outputs.
 *
 * DEFINE_TILE_MAC(name, space, PX, CB) makes
 *     void name(VEC acc[PX * CB], const space float *src, const int off[PX], const __global float *wgt, int count)
 * which adds src[off[k] + i] * wgt[i * CB * VW ...] to acc[k * CB + j] for every i below count: count numbers that lie side by
 * side in the source. With places of c channels each (rows of places, no gaps), a row of a window that is not dilated is
 * one run of kw * c, so neither the window's width nor the channels need be known when this is built, and no channel padding
 * is ever multiplied. The accumulators must be a private array with constant indices outside too, so that they stay in
 * registers.
 */
#define DEFINE_TILE_MAC(name, space, PX, CB)                                                                          \
    static inline void name(VEC *acc, const space float *src, const int *off, const __global float *wgt, int count) { \
        const space float *at[PX];                                                                                    \
        _Pragma("unroll") for (int k = 0; k < (PX); k++) at[k] = src + off[k];                                        \
        _Pragma("unroll 4") for (int i = 0; i < count; i++) {                                                         \
            VEC w[CB];                                                                                                \
            _Pragma("unroll") for (int j = 0; j < (CB); j++) w[j] = LOADV_WHOLE(wgt, j * VW);                         \
            wgt += (CB) * VW;                                                                                         \
            _Pragma("unroll") for (int k = 0; k < (PX); k++) {                                                        \
                VEC x = (VEC)(at[k][i]);                                                                              \
                _Pragma("unroll") for (int j = 0; j < (CB); j++) acc[k * (CB) + j] = fma(x, w[j], acc[k * (CB) + j]); \
            }                                                                                                         \
        }                                                                                                             \
    }
