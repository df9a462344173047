# selftest: every kernel of a device against the reference, and what becomes of the bad ones.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache

for tested in $(printf '%s\n' ref "$device" | sort -u); do
    run selftest --device "$tested"
    expect_rc 0
    expect_out "ERROR/LIMIT"
    expect_out "$tested:0 ("
    expect_out "all good"
    run selftest --device "$tested" --json
    expect_rc 0
    expect_jq ".device == \"$tested:0\" and .bad == 0 and .steps > 100 and (.kernels | length > 0)"
    expect_jq 'all(.kernels[]; .verdict == "good" and .stored and .runs > 0 and .error_over_limit <= 1 and .why == null)'
done

word=fc
[ "$device" = cpu ] || word=ref
run selftest --device "$device" --filter "$word" --again --json
expect_rc 0
expect_jq "(.kernels | length > 0) and all(.kernels[]; (.stored | not) and (.kernel | contains(\"$word\")))"
run selftest --device "$device" --quiet
expect_rc 0
expect_no_out
refuse 2 "no kernel of this device has 'xyzzy'" selftest --device "$device" --filter xyzzy
refuse 3 "cuda" selftest --device cuda

# a backend with a kernel that lies and one that does not build
export FOLDRUN_BACKEND_DIR=$LIAR
if [ -d "$LIAR" ]; then
    run selftest --device liar --json
    expect_rc 1
    expect_jq '[.kernels[] | .kernel, .verdict] == ["liar.right", "good", "liar.unbuilt", "does not build", "liar.wrong", "wrong"]'
    expect_jq '.bad == 2 and (.kernels[1].why | contains("undeclared identifier")) and (.kernels[2].why | contains("numbers are wrong"))'
    expect_err "warning: kernel liar.wrong"
    run selftest --device liar
    expect_rc 1
    expect_out "wrong (stored)"
    expect_out "2 must not be used, and will not be"
    run selftest --device liar --quiet
    expect_rc 1
    expect_lines 5
    # answers are right all the same, and nothing is said any more
    bytes $((4 * 22 * 52 * 3)) 7 > frames
    for tuning in off cached; do
        for tested in ref liar; do
            stdin=frames run run v1 --device "$tested" --tuning "$tuning" --input - --frame 22x52x3 --format csv --batch 4
            expect_rc 0
            checks=$((checks + 1))
            grep -q "liar\." err && fail "a kernel is named again"
            cp out "answers.$tested"
        done
        check "the liar's answers are the reference's" near answers.ref answers.liar 1e-4
    done
fi
finish
