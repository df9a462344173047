/* Widths of a folded CNN, exactly: a rounding error of one channel would be another network. */
#include "fold/fold.h"

__extension__ typedef unsigned __int128 wide;

/* Largest r with r*r <= n, by bisection on the bits. */
static uint64_t square_root(wide n) {
    uint64_t root = 0;
    for (int bit = 63; bit >= 0; bit--) {
        uint64_t trial = root | (uint64_t)1 << bit;
        if ((wide)trial * trial <= n)
            root = trial;
    }
    return root;
}

static int64_t round_to(int64_t width, fr_round round, int64_t quantum) {
    int64_t below = width / quantum * quantum, rest = width - below;
    bool up = round == FR_ROUND_UP ? rest > 0 : round == FR_ROUND_NEAREST && 2 * rest >= quantum;
    return up || below == 0 ? below + quantum : below;
}

int64_t fr_fold_width(int64_t width, const fr_fold_options *options) {
    enum { LARGEST = INT32_MAX }; /* far past any layer; keeps the square within 128 bits */
    uint64_t w = width < 1 ? 1 : width > LARGEST ? LARGEST : (uint64_t)width;
    uint64_t fold = options->fold < 1 ? 1 : (uint64_t)options->fold;
    int64_t folded = (int64_t)square_root((wide)(w * w) * fold);
    if (options->round == FR_ROUND_FLOOR || options->quantum <= 1)
        return folded;
    return round_to(folded, options->round, options->quantum);
}
