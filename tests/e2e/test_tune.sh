# tune: times kernels ahead and keeps them; sessions begin with what it found.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache
profile() { find "$work/cache" -name "profile-$device-*.json"; }
quick=(--device "$device" --batch 8 --duration 0.05 --warmup 0)

run tune v1 --device "$device" --batch 8 --budget 20s --json
expect_rc 0
cp out tuned.json
expect_jq ".device == \"$device:0\" and .complete and (.steps | length >= 5)"
expect_jq 'all(.steps[]; .model == "v1" and (.step | length > 0) and .inputs >= 1 and .timed >= 1 and .timed <= .offered)'
expect_jq 'all(.steps[]; .winner.ns > 0 and (.runner_up == null or .runner_up.ns >= .winner.ns) and (.gain == null or .gain >= 0.999))'
check "there is one profile" test "$(profile | wc -l)" = 1
check "it is where tune says" test "$(profile)" = "$("$JQ" -r .profile < tuned.json)"
"$JQ" . < "$(profile)" > /dev/null || fail "the profile is no JSON"

# what is known of v1 is found again, and is near for v4
run tune v1 --device "$device" --batch 8 --budget 20s
expect_rc 0
expect_out "WINNER"
expect_out "GAIN is over"
FOLDRUN_LOG=info run bench v1 --fold 1 "${quick[@]}" --tuning off
expect_rc 0
if [ "$device" = cpu ]; then
    expect_err "kernels are first guessed by the device profile for "
    expect_err "by its nearest shape for 0,"
    FOLDRUN_LOG=info run bench v4 --fold 1 "${quick[@]}" --tuning off
    expect_rc 0
    checks=$((checks + 1))
    grep -qE "device profile for [0-9]+ of [0-9]+ steps, by its nearest shape for [1-9]" err || fail "v4 is not near v1"
fi

# folded, in another precision, and a file
run tune v2 --fold 2 --batch 16 --device "$device" --budget 5s --precision f32 --json
expect_rc 0
expect_jq '[.steps[].model] | unique == ["v2"]'
if [ "${WITH_ONNX:-ON}" = ON ]; then
    "$FOLDRUN" export v1 -o v1.onnx 2> /dev/null
    run tune v1.onnx --device "$device" --budget 5s --json
    expect_rc 0
    expect_jq '[.steps[].model] | unique == ["v1.onnx"]'
fi

# a damaged profile is told of, does no harm, and is made anew
echo '{"format": 1, "device"' > "$(profile)"
run bench v1 --fold 1 "${quick[@]}" --tuning off
expect_rc 0
expect_err "is not used"
run tune v1 --device "$device" --budget 5s
expect_rc 0
expect_err "is not used"
run bench v1 --fold 1 "${quick[@]}" --tuning off
expect_rc 0
checks=$((checks + 1))
grep -q "is not used" err && fail "the new profile is refused"

# Ctrl-C keeps what there is; a busy machine takes longer until there is something
last="tune, interrupted"
for seconds in 1.5 5 20; do
    rm -rf "$work/cache"
    "$FOLDRUN" tune --device "$device" --fold 4 --budget 600s --json > out 2> err &
    child=$!
    sleep $seconds
    kill -INT "$child"
    wait "$child"
    rc=$?
    ! "$JQ" -e '.steps | length > 0' < out > /dev/null || break
done
if [ "$rc" != 0 ]; then # a fast machine may be done
    expect_rc 130
    expect_err "interrupted"
    expect_jq '.complete | not'
fi
expect_jq '.steps | length > 0'
"$JQ" -e '.steps | length > 0' < "$(profile)" > /dev/null || fail "the profile of an interrupted tuning is not whole"
check "no temporary file is left" test "$(find "$work/cache" -type f ! -name '*.bin' ! -name '*.json' | wc -l)" = 0

refuse 5 "did you mean 'v1'" tune v11 --device "$device"
refuse 3 "cuda" tune v1 --device cuda
FOLDRUN_CACHE_DIR="" refuse 3 "no cache folder" tune v1 --device "$device"
finish
