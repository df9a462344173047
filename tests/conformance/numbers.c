/* Numbers for a case. */
#include <string.h>

#include "base/hash.h"
#include "cases.h"

fr_status conf_numbers_make(const conf_case *from, fr_check_fill fill, uint64_t seed, fr_check_numbers *out_numbers) {
    fr_hash hash = fr_hash_bytes(from->name, strlen(from->name), (fr_hash){seed, (uint64_t)fill});
    return fr_check_numbers_make(&from->step, NULL, from->valid, fill, hash.a, out_numbers);
}
