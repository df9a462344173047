# Sourced by every test. `run ARGS...` runs the command; the expect_* functions judge its exit code, $out and $err.
set -u
export LC_ALL=C
: "${FOLDRUN:?the command under test}"
failures=0
checks=0
work=$(mktemp -d "${TMPDIR:-/tmp}/foldrun-e2e-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

skip() { echo "skip: $1"; exit 77; }
[ -x "${JQ:-}" ] || skip "jq is not installed: apt-get install jq"

# Without the CPU backend everything runs on the reference.
device=cpu
[ "${WITH_CPU:-ON}" = ON ] || device=ref

fail() {
    failures=$((failures + 1))
    echo "FAILED: $*"
    echo "  command: foldrun ${last:-}"
    echo "  exit code: ${rc:-}"
    echo "  stderr: $(head -c 600 err 2> /dev/null)"
}

run() {
    last="$*"
    "$FOLDRUN" "$@" > out 2> err < "${stdin:-/dev/null}"
    rc=$?
}

check() { # check WORDS COMMAND...: the command must succeed
    local words=$1
    shift
    checks=$((checks + 1))
    "$@" > /dev/null 2>&1 || fail "$words"
}

expect_rc() { checks=$((checks + 1)); [ "$rc" = "$1" ] || fail "exit code is $rc, not $1"; }
expect_err() { checks=$((checks + 1)); grep -qF -- "$1" err || fail "stderr does not say '$1'"; }
expect_out() { checks=$((checks + 1)); grep -qF -- "$1" out || fail "stdout does not say '$1': $(head -c 300 out)"; }
expect_no_out() { checks=$((checks + 1)); [ ! -s out ] || fail "stdout is not empty: $(head -c 300 out)"; }
expect_lines() { checks=$((checks + 1)); [ "$(wc -l < out)" = "$1" ] || fail "stdout has $(wc -l < out) lines, not $1"; }
expect_jq() { checks=$((checks + 1)); "$JQ" -e "$1" < out > /dev/null 2>&1 || fail "not so: $1"; }
expect_same() { checks=$((checks + 1)); cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

# A command that must fail: exit code, nothing on stdout, one line "foldrun: ..." on stderr with these words.
refuse() { # refuse CODE WORDS ARGS...
    local code=$1 words=$2
    shift 2
    run "$@"
    expect_rc "$code"
    expect_err "$words"
    expect_no_out
    checks=$((checks + 1))
    [ "$(grep -c '^foldrun: ' err)" = "$(wc -l < err)" ] || fail "stderr has more than lines of 'foldrun: ...'"
    checks=$((checks + 1))
    [ "$(tail -n 1 err | grep -c '^foldrun: ')" = 1 ] || fail "stderr does not end in a sentence"
}

# N bytes that depend on the seed; never 0, so that awk may print them.
bytes() { # bytes N SEED
    awk -v n="$1" -v seed="$2" 'BEGIN { srand(seed); for (i = 0; i < n; i++) printf "%c", 1 + int(rand() * 127) }'
}

ppm() { # ppm FILE HEIGHT WIDTH SEED
    { printf 'P6\n%d %d\n255\n' "$3" "$2"; bytes $(($2 * $3 * 3)) "$4"; } > "$1"
}

npy() { # npy FILE DESCR SHAPE < numbers
    local dict="{'descr': '$2', 'fortran_order': False, 'shape': ($3), }"
    while [ $(((${#dict} + 11) % 64)) != 0 ]; do dict="$dict "; done
    dict="$dict
"
    # shellcheck disable=SC2059
    { printf '\x93NUMPY\x01\x00'; printf "\\x$(printf '%02x' $((${#dict} % 256)))\\x$(printf '%02x' $((${#dict} / 256)))"; printf '%s' "$dict"; cat; } > "$1"
}

npy_rows() { # npy_rows FILE COLUMNS: the f32 numbers, a row a line
    local offset=$((10 + $(od -An -v -t u2 -j 8 -N 2 "$1")))
    od -An -v -t f4 -j "$offset" -w$((4 * $2)) "$1"
}

# Rows of V1's 11 class:score pairs as the scores by class, since near scores may change places.
sort_rows() { # sort_rows FILE
    awk -F, 'NR > 1 { delete s; for (i = 2; i < NF; i += 2) s[$i] = $(i + 1); line = $1; for (c = 0; c < 11; c++) line = line " " s[c]; print line }' "$1"
}

# Columns of numbers in two files agree within a tolerance; other columns are equal.
near() { # near FILE FILE TOLERANCE
    paste -d ' ' <(tr ',' ' ' < "$1") <(tr ',' ' ' < "$2") | awk -v tolerance="$3" '
        { n = NF / 2; if (n != int(n)) { bad = 1; exit }
          for (i = 1; i <= n; i++) {
              a = $i; b = $(i + n)
              if (a ~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) { d = a - b; if (d < 0) d = -d; if (d > tolerance) { print a, b; bad = 1 } }
              else if (a != b) { print a, b; bad = 1 }
          } }
        END { exit bad || NR == 0 }'
}

finish() {
    echo "$checks checks, $failures failed"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
    exit
}
