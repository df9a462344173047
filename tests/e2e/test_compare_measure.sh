# compare: what is measured and when it counts: interleaved visits, answers beside the reference's, devices that are lost or go wrong.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache

cat > tiny.fold <<'MODEL'
model tiny "tiny"
input 3x8x8

conv 4 3x3 pad 1 relu
maxpool 2x2 stride 2
conv 4 3x3 pad 1 relu
flatten
fc 3
MODEL
quick=(--batch 8 --slice 0.01 --tune-budget 0.1 --interval 90 --budget 60s)

# every combination has visits, checked answers and what measures it again
run compare tiny.fold v2 --devices "$device" --fold 1,2 "${quick[@]}" --layers --json
expect_rc 0
expect_jq '.interrupted == false and ([.rows[] | [.model, .fold]] | sort) == [["tiny.fold", 1], ["tiny.fold", 2], ["v2", 1], ["v2", 2]]'
expect_jq 'all(.rows[]; .failed == false and .check == "right" and .max_error < 0.001 and (.visits | length) >= 6 and .runs >= 6)'
expect_jq 'all(.rows[]; .images_per_s.low <= .images_per_s.median and .images_per_s.median <= .images_per_s.high and .images_per_s.low > 0)'
expect_jq 'all(.rows[]; .open_ms > 0 and .first_ms > 0 and .planned_bytes > 0 and .weight_bytes > 0 and .ops_per_image > 0)'
expect_jq 'all(.rows[]; .layers | length > 0 and all(.[]; .ns > 0) and any(.[]; .ops > 0 and .bytes > 0))'
expect_jq '.rows[] | select(.model == "v2" and .fold == 2) | .command == "foldrun bench v2 --device " + .device + " --fold 2 --batch 8 --precision f32"'
expect_jq 'all(.rows[].device; IN("cpu:0", "ref:0")) and .devices[0].peak.f32 > 0'
# by turns: whatever was visited a second time, everything had been visited once before
expect_jq '[.rows[].visits[0].at_s] as $first | [.rows[].visits[1].at_s] as $second | ($first | max) < ($second | min)'

# the order is the seed's
for try in 1 1again 2 3 4; do
    run compare tiny.fold v2 --devices "$device" --fold 1,2 "${quick[@]}" --seed "${try%again}" --json
    "$JQ" -c '[.rows | sort_by(.visits[0].at_s)[] | [.model, .fold]]' < out > "order.$try"
done
expect_same order.1 order.1again
check "seeds differ" test "$(sort -u order.* | wc -l)" -gt 1

# what cannot be is a row with its reason, or is left out with a note; what is no device is no row
run compare tiny.fold --devices ref --fold 1,16 "${quick[@]}" --schedule chain --json
expect_err "note: fold 16 is left out at batch 8"
expect_jq '.rows | length == 1'
refuse 5 "there is no backend 'cup', did you mean 'cpu'" compare tiny.fold --devices cup
refuse 2 "nothing to measure" compare tiny.fold --devices ref --fold 16 --batch 8
refuse 5 "nosuch" compare nosuch --devices ref

# a budget that ends says what is missing
run compare tiny.fold v2 --devices ref --fold 1-4 --batch 8,16 --slice 0.2 --tune-budget 0.1 --budget 0.5s --json
expect_err "note: the budget has ended"
expect_jq '.interrupted'
run compare tiny.fold --devices ref --batch 8 --budget 0.01s --json
expect_rc 1
expect_err "nothing has visits enough"
expect_jq 'all(.rows[]; .visits | length < 3) and .interrupted'

# a file that cannot be written: what was measured is seen all the same
run compare tiny.fold --devices ref --fold 1 "${quick[@]}" --json -o /dev/full --fresh
expect_rc 1
expect_err "No space left"
expect_jq '.rows[0].images_per_s.median > 0'

# a number twice is one configuration
run compare tiny.fold tiny.fold --devices ref,ref:0 --fold 1,1 --precision f32,f32 "${quick[@]}" --batch 8,8 --json
expect_rc 0
expect_jq '.rows | length == 1'

if [ -d "${FICKLE:-}" ]; then
    export FOLDRUN_BACKEND_DIR=$FICKLE
    # openings: the first few are for the peak and for the sessions that choose kernels, then a visit is one
    lost=(compare tiny.fold --devices fickle,ref --fold 1,2 "${quick[@]}" --json)
    run "${lost[@]}"
    expect_rc 0
    expect_jq '.rows | length == 4 and all(.[]; .check == "right")'

    FICKLE_LOST=4 run "${lost[@]}"
    expect_rc 0
    expect_err "fickle:0 is given up"
    expect_jq '[.rows[] | select(.device == "fickle:0")] | length == 2 and all(.[]; .failed and (.reason | contains("fallen off the bus")) and .images_per_s == null)'
    expect_jq '[.rows[] | select(.device == "ref:0")] | length == 2 and all(.[]; .check == "right" and (.visits | length) >= 3)'
    expect_jq '.interrupted == false'

    # lost once, and back again: the others' figures stand
    FICKLE_LOST=9 FICKLE_BACK=10 run "${lost[@]}"
    expect_rc 0
    expect_jq '[.rows[] | select(.failed)] | length == 1'
    expect_jq '[.rows[] | select(.failed | not)] | length == 3 and all(.[]; (.visits | length) >= 3)'

    # gone in the middle, after three rounds of three: the two that met it fail, and what has its figure keeps it
    FICKLE_LOST=15 run compare tiny.fold --devices fickle --fold 1,2,4 "${quick[@]}" --interval 0 --json
    expect_rc 0
    expect_err "fickle:0 is given up"
    expect_jq '[.rows[] | select(.failed)] | length == 2 and all(.[]; .images_per_s == null and .visits == [])'
    expect_jq '[.rows[] | select(.failed | not)] | length == 1 and (.[0].visits | length) >= 3 and .[0].check == "right"'

    # and the same command, on the same file, tries what failed again
    FICKLE_LOST=4 run "${lost[@]}" -o kept.json
    run "${lost[@]}" -o kept.json
    expect_rc 0
    expect_jq '.rows | length == 4 and all(.[]; .failed == false and .check == "right" and (.reason // "") == "")'

    # wrong answers have no figure, at whichever visit they come
    for opening in 1 6 9; do
        FICKLE_LIES=$opening FOLDRUN_CACHE_DIR=$work/cache-$opening run compare tiny.fold --devices fickle --fold 1,2 "${quick[@]}" --interval 0.0001 --json
        expect_rc 1
        expect_jq 'all(.rows[]; .failed and .images_per_s == null)'
        [ "$opening" = 1 ] || expect_jq 'all(.rows[]; .check == "wrong" and (.reason | startswith("wrong answers")))'
    done
    FICKLE_LIES=4 run compare tiny.fold --devices fickle --fold 1 "${quick[@]}" --no-check --json
    expect_rc 0
    expect_jq '.rows[0].check == "unchecked" and .rows[0].failed == false'

    # without a reference nothing is checked, and nothing counts
    mkdir alone
    cp "$FICKLE"/*fickle* alone
    export FOLDRUN_BACKEND_DIR=$work/alone
    refuse 3 "answers cannot be checked" compare tiny.fold "${quick[@]}"
    run compare tiny.fold --fold 1 "${quick[@]}" --no-check --json
    expect_rc 0
    expect_jq '.rows | length == 1'
fi
finish
