# plan: chooses, keeps what it chose, and run and bench go by it.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache
small=(--device "$device" --batch 8 --tune-budget 0.2 --precision f32)
quick=(--duration 0.05 --warmup 0)
sort_scores() { # a line for each image and class
    awk -F, 'NR > 1 { for (i = 2; i < NF; i += 2) print $1 "," $i "," $(i + 1) }' | sort
}
files() { find "$work" -maxdepth 1 -name "$1*" | wc -l; }

run profile --device "$device" --quick --budget 3s
expect_rc 0
profile=$(find "$work/cache" -name "probe-$device-*.json")
check "there is one profile" test -f "$profile"

# the choice, and every alternative in its place
run plan v1 --fold 1,2 "${small[@]}" --save first.json --json
expect_rc 0
cp out plan.json
expect_jq ".model == \"v1\" and .device == \"$device:0\" and (.name | length > 0) and (.version | length > 0)"
expect_jq ".profile == \"$profile\" and (.from_cache | not) and .choose_ms > 0 and .measure_s > 0"
expect_jq '.choice | .label == "v1" and (.fold == 1 or .fold == 2) and .precision == "f32" and .batch == 8'
expect_jq '.choice | .predicted.images_per_s > 0 and .predicted.steps >= .predicted.guessed_steps and .accuracy == null'
expect_jq '.choice.measured | .images_per_s > 0 and .low <= .images_per_s and .images_per_s <= .high and .ms > 0 and .bytes > 0'
expect_jq '[.choice, .alternatives[]] | ([.[].row] | sort) == [range(1; length + 1)]'
expect_jq '[.choice, .alternatives[]] | [.[] | [.fold, .round, .quantum, .schedule]] | length == (unique | length)'
expect_jq '[.choice, .alternatives[]] | [.[].fold] | unique == [1, 2]'
expect_jq 'all(.alternatives[]; .broken == null and (.distance | type == "number"))'
expect_jq '.choice.fold == 1 or ([.alternatives[] | select(.fold == 1) | .measured.images_per_s // 0] | max) <= .choice.measured.images_per_s'
expect_jq 'all(.notes[]; type == "string")'
check "the file holds the same, and the kernels" "$JQ" -e --slurpfile plan plan.json \
    '.format == 1 and (.kernels | type == "object") and (del(.format, .kernels) == $plan[0])' first.json
check "nothing else was left" test "$(files first)" = 1

# the same question again is answered from the cache
run plan v1 --fold 1,2 "${small[@]}" --json -o copy.json
expect_rc 0
expect_same out copy.json
check "the choice is the same" "$JQ" -e --slurpfile plan plan.json '.from_cache and .choice == $plan[0].choice' out
run plan v1 --fold 1,2 "${small[@]}"
expect_rc 0
expect_out "v1 on $device:0"
expect_out " images/s measured (predicted "
expect_out "SCHEDULE"
expect_out "LOW-HIGH"
expect_out "nothing was measured now"
checks=$((checks + 1))
[ "$(grep -c '^\*' out)" = 1 ] || fail "not one row is the choice"
run plan v1 --fold 1-3 --round floor,up:16 --schedule layers "${small[@]}" --no-measure --json
expect_rc 0
expect_jq '[.choice, .alternatives[]] | all(.[]; .measured == null and .schedule == "layers")'
expect_jq '[.choice, .alternatives[] | select(.fold > 1) | .round] | unique | contains(["up"])'
run plan v1 --batch auto --fold 1 --no-measure --device "$device" --precision f32 --json
expect_rc 0
expect_jq '[.choice, .alternatives[] | .batch] | unique | length >= 8'

# limits: which one is broken, how far the nearest is, and no plan is kept
run plan v1 --fold 1,2 "${small[@]}" --no-measure --max-latency 0.0001 --save none.json --json
expect_rc 4
expect_jq '.choice == null and all(.alternatives[]; .broken == "latency")'
expect_err "no option keeps the limits: the nearest, fold "
expect_err " ms a batch (--max-latency 0.0001)"
check "no plan was kept" test "$(files none)" = 0
run plan v1 --fold 1,2 "${small[@]}" --no-measure --max-memory 0.001
expect_rc 4
expect_out "memory"
expect_err "(--max-memory 1.00 kB)"
run plan v1 --fold 1,2 "${small[@]}" --no-measure --max-latency 1e6 --max-memory 1e6 --max-drop 1 --json
expect_rc 0
expect_jq '.drop_unjudged and .plain_accuracy == null and .options.max_latency_ms == 1000000 and .options.max_drop == 1'

# a profile that another foldrun made, and one that lacks a precision
"$JQ" '.foldrun = "0.0.9"' "$profile" > old.json
run plan v1 --fold 1 --batch 8 --precision f32 --profile old.json --json
expect_rc 0
expect_jq '.stale_profile and any(.notes[]; startswith("the profile is stale"))'
if [ "$device" = cpu ]; then
    "$JQ" '.precisions += ["tf32"]' "$profile" > lacking.json
    run plan v1 --fold 1 --batch 8 --precision f32,tf32 --profile lacking.json --json
    expect_rc 0
    expect_jq '(.stale_profile | not) and any(.notes[]; startswith("the profile has no tf32: \u0027foldrun profile --device cpu:0"))'
fi

# what a plan says is what runs
mkdir images
for i in 1 2 3; do ppm images/$i.ppm 22 52 "$i"; done
run plan v1 --fold 1 "${small[@]}" --save plain.json
expect_rc 0
schedule=$("$JQ" -r .choice.schedule plain.json)
run run v1 --input images --plan plain.json
expect_rc 0
expect_lines 4
expect_err "plain.json: fold 1, f32, $schedule, batch 8: "
run run v1 --input images --plan plain.json --fold 1 --batch 8 --precision f32 --device "$device" --quiet
expect_rc 0
check "equal options do not contradict" test ! -s err
run bench v1 --plan plain.json "${quick[@]}" --json
expect_rc 0
expect_jq ".plan == \"plain.json\" and (.results | length == 1) and (.results[0] | .fold == 1 and .batch == 8 and .schedule_kind == \"$schedule\" and (.plan_refused | not))"
for contradiction in "--fold 2" "--batch 16" "--precision bf16" "--threads 99" "--exact" "--round up:16"; do
    # shellcheck disable=SC2086
    refuse 2 "${contradiction%% *} contradicts 'plain.json'" run v1 --input images --plan plain.json $contradiction
done
refuse 2 "--tuning has no meaning with 'plain.json'" run v1 --input images --plan plain.json --tuning fresh
refuse 2 "--tuning has no meaning with 'plain.json'" bench v1 --plan plain.json --tuning off
refuse 2 "--tune-budget has no meaning with 'plain.json'" bench v1 --plan plain.json --tune-budget 1
"$JQ" '.choice.fold = 2 | .choice.round = "up" | .choice.quantum = 16 | .kernels = null' plain.json > rounded.json
refuse 2 "--round contradicts 'rounded.json'" run v1 --input images --plan rounded.json --round floor
refuse 2 "--round contradicts 'rounded.json'" bench v1 --plan rounded.json --round floor
"$JQ" '.options.max_memory_bytes = 1000' plain.json > tight.json
refuse 4 "the limit is 1000" run v1 --input images --plan tight.json
refuse 4 "the limit is 1000" bench v1 --plan tight.json "${quick[@]}"
other=layers
[ "$schedule" = chain ] || other=chain
refuse 2 "--schedule contradicts" bench v1 --plan plain.json --schedule $other
refuse 2 "--kernels contradicts" bench v1 --plan plain.json --kernels direct
refuse 2 "is of one model" bench v1 v2 --plan plain.json
refuse 5 "there is no backend 'nothing'" run v1 --input images --plan plain.json --device nothing
if [ "$device" != ref ]; then
    run run v1 --input images --plan plain.json --device ref
    expect_rc 0
    expect_err "the given plan is not used"
fi

# a shape is measured, and not answered with
run plan v1 --fold 2 --round floor "${small[@]}" --save folded.json --no-measure
expect_rc 0
expect_out "'foldrun export v1 --fold 2 -o v1-by-2.onnx' writes the shape"
refuse 4 "'foldrun export v1 --fold 2" run v1 --input images --plan folded.json
run bench v1 --plan folded.json "${quick[@]}" --tune-budget 0.2 --json
expect_rc 0
expect_jq '.results | length == 1 and .[0].fold == 2'
refuse 2 "one plain network" run v1 --input images --fold auto
run bench v1 --fold auto --batch 8 --precision f32 --device "$device" "${quick[@]}" --tune-budget 0.2 --json
expect_rc 0
expect_jq '.results | length == 1'
expect_err "chosen: fold "

# files that are no plans
refuse 5 "cannot read" run v1 --input images --plan no-such.json
head -c 200 plain.json > cut.json
echo '{"format": 1}' > empty.json
"$JQ" '.format = 2' plain.json > newer.json
"$JQ" '.choice.fold = "two"' plain.json > wrong.json
"$JQ" '.choice.schedule = "sideways"' plain.json > sideways.json
"$JQ" '.choice = null' plain.json > nothing.json
for file in cut empty newer wrong sideways nothing; do
    refuse 5 "'$file.json' is no plan that can be used" run v1 --input images --plan $file.json
    refuse 5 "'$file.json' is no plan that can be used" explain $file.json
done
"$JQ" '.kernels = {"format": 99}' plain.json > foreign.json
run run v1 --input images --plan foreign.json
expect_rc 0
expect_err "the given plan is not used"

# a folder of a task's variants: the best of them, by default
if [ "${WITH_ONNX:-ON}" = ON ]; then
    mkdir variants none mixed
    "$FOLDRUN" export v1 -o variants/v1-2.onnx 2> /dev/null
    "$FOLDRUN" export v1 --fold 2 -o variants/v1-10.onnx 2> /dev/null
    echo "trained on Monday" > variants/notes.txt
    run plan variants "${small[@]}" --save tasks.json --json
    expect_rc 0
    expect_jq '[.choice, .alternatives[] | [.label, .fold]] | unique == [["v1-10.onnx", 2], ["v1-2.onnx", 1]]'
    label=$("$JQ" -r .choice.label tasks.json)
    fold=$("$JQ" -r .choice.fold tasks.json)
    run plan variants "${small[@]}" --fold 2 --no-measure --json
    expect_jq '[.choice, .alternatives[] | .label] | unique == ["v1-10.onnx"]'
    run plan variants "${small[@]}" --no-measure
    expect_out "NETWORK"

    # accuracies in the files' metadata decide where a drop is limited; fields may stand behind all others
    mkdir accurate
    cp variants/* accurate
    printf '\x72\x1b\x0a\x10foldrun.accuracy\x12\x071:93.95' >> accurate/v1-2.onnx
    printf '\x72\x1b\x0a\x10foldrun.accuracy\x12\x072:92.50' >> accurate/v1-10.onnx
    run show accurate/v1-2.onnx
    expect_out "f=1: 93.95%"
    run plan accurate "${small[@]}" --max-drop 1 --no-measure --json
    expect_rc 0
    expect_jq '.choice.fold == 1 and .choice.accuracy == 93.95 and (.drop_unjudged | not)'
    expect_jq '.alternatives | all(.[] | select(.fold == 2); .broken == "accuracy" and .accuracy == 92.5)'
    run plan accurate "${small[@]}" --max-drop 1.5 --no-measure --json
    expect_jq 'all(.alternatives[]; .broken == null)'
    run plan accurate "${small[@]}" --max-drop 1 --no-measure
    expect_out "92.50%"
    run plan accurate "${small[@]}" --fold 2 --max-drop 1 --no-measure --json # fold 1's is known all the same
    expect_rc 4
    expect_jq '.plain_accuracy == 93.95 and (.drop_unjudged | not) and all(.alternatives[]; .broken == "accuracy")'
    expect_err "loses 1.45 points of accuracy (--max-drop 1)"
    cp variants/v1-10.onnx accurate/v1-3.onnx
    run plan accurate "${small[@]}" --max-drop 1 --no-measure --json
    expect_jq '.drop_unjudged and (any(.notes[]; contains("ranked by speed alone")) | not)'
    expect_jq 'any(.notes[]; test("^the limit on the drop in accuracy cannot judge .*: v1-3.onnx$"))'
    expect_jq 'all(.alternatives[] | select(.label == "v1-10.onnx"); .broken == "accuracy")'
    rm accurate/v1-3.onnx
    rm accurate/v1-10.onnx # of a single one no untrained shapes are run
    run run accurate --input images --batch 8 --device "$device"
    expect_rc 0
    expect_err "at fold 1"

    run run variants --input images --batch 8 --device "$device"
    expect_rc 0
    expect_lines 4
    checks=$((checks + 1))
    grep -qE "chosen: v1-(2.onnx: fold 1|10.onnx: fold 2), f32, (layers|chain), batch 8: " err || fail "the choice is not told"
    run run "variants/$label" --input images --batch 8 --device "$device" --top 11 --quiet
    sort_scores < out > by-name
    for model in variants v1 "variants/$label"; do # the plan knows which file it is of
        run run $model --input images --plan tasks.json --top 11 --quiet
        expect_rc 0
        sort_scores < out > by-plan
        check "'$model' by the plan gives what its file gives" near by-name by-plan 0.001
    done
    run run variants --input images --fold 2 --batch 8 --device "$device" --tuning off
    expect_rc 0
    expect_err "at fold 2"
    run bench variants --batch 8 --precision f32 --device "$device" "${quick[@]}" --json
    expect_rc 0
    expect_jq '.results | length == 1 and .[0].model == "variants"'
    run bench variants --fold 1,2 --batch 8 --device "$device" "${quick[@]}" --tuning off --json
    expect_rc 0
    expect_jq '[.results[].fold] == [1, 2] and .results[1].speedup != null'
    cp variants/v1-2.onnx mixed/a.onnx
    "$FOLDRUN" export v2 -o mixed/b.onnx 2> /dev/null
    cp variants/v1-10.onnx variants/v1-11.onnx
    refuse 2 "--round has no meaning for 'variants'" run variants --input images --fold 2 --round floor
    refuse 2 "--round has no meaning for 'variants'" bench variants --fold 2 --round up:16
    refuse 2 "--round has no meaning for 'accurate'" run accurate --input images --round up:16

    # a plan of a shape, and a folder in which nobody has trained it
    run plan accurate "${small[@]}" --fold 2 --round floor --no-measure --save shape.json
    expect_rc 0
    expect_out "'foldrun export accurate/v1-2.onnx --fold 2 -o v1-2-by-2.onnx' writes the shape"
    refuse 4 "'foldrun export accurate/v1-2.onnx --fold 2 -o" run accurate --input images --plan shape.json
    mkdir trained
    cp variants/v1-2.onnx variants/v1-10.onnx trained
    run run trained --input images --plan shape.json --quiet
    expect_rc 0
    expect_lines 4

    # a plan's batch is taken as it is: of 8 frames the first 4 are answered while the third batch is not full
    mkdir thirds
    "$FOLDRUN" export v1 --fold 3 -o thirds/v1.onnx 2> /dev/null
    run plan thirds --device "$device" --batch 4 --precision f32 --schedule layers --no-measure --save thirds.json
    expect_rc 0
    mkfifo frames
    last="run thirds --input - --plan thirds.json"
    "$FOLDRUN" run thirds --input - --frame 22x52x3 --plan thirds.json --tuning off --quiet < frames > out 2> err &
    child=$!
    exec 9> frames
    bytes $((8 * 22 * 52 * 3)) 1 >&9
    for ((i = 0; i < 300; i++)); do
        [ "$(wc -l < out)" -lt 5 ] || break
        sleep 0.1
    done
    expect_lines 5
    exec 9>&-
    wait "$child"
    rc=$?
    expect_rc 0
    expect_lines 9
    refuse 2 "name one of them" run variants --input images --fold 2
    refuse 2 "no network of fold 3" run variants --input images --fold 3
    refuse 5 "one of the folds that are asked for" plan variants --fold 3 --device "$device"
    refuse 2 "taken as it is" plan variants --round up:16 --device "$device"
    refuse 5 "holds no .onnx and no .fold file" plan none --device "$device"
    refuse 5 "holds no .onnx and no .fold file" run none --input images
    refuse 5 "do not do the same task" plan mixed "${small[@]}"
fi

# a fleet: a row for each, whatever becomes of it
mkdir profiles
cp "$profile" profiles/here.json
echo '{"format"' > profiles/damaged.json
run plan v1 --fold 1,2 --batch 8 --precision f32 --tune-budget 0.2 --devices "$device,cuda:9" --profiles profiles --json -o fleet.json
expect_rc 0
expect_same out fleet.json
expect_jq '.model == "v1" and .options.max_drop == null and (.targets | length == 4)'
expect_jq '.targets[3] | .notes | any(.[]; startswith("nothing was measured for this choice"))'
expect_jq ".targets[0] | .device == \"$device:0\" and .choice.measured != null and .speedup > 0 and .why == null"
expect_jq '.targets[1] | .target == "cuda:9" and .choice == null and (.why | length > 0)'
expect_jq '.targets[2] | .target == "profiles/damaged.json" and .choice == null and (.why | length > 0)'
expect_jq '.targets[3] | .target == "profiles/here.json" and .choice.measured == null and .choice.predicted.images_per_s > 0'
run plan v1 --fold 1,2 --batch 8 --precision f32 --profiles profiles
expect_rc 0
expect_out "OVER FOLD 1"
expect_out "here.json"
cp old.json profiles/old.json
run plan v1 --fold 1,2 --batch 8 --precision f32 --max-drop 1 --profiles profiles
expect_rc 0
expect_out "stale profile"
expect_out "note (old.json): the profile is stale"
checks=$((checks + 1))
[ "$(grep -c '^note: a limit on the drop in accuracy could not be judged' out)" = 1 ] || fail "a note of all targets is not told once"
refuse 2 "--fresh has no meaning with --profiles" plan v1 --profiles profiles --fresh
rm profiles/here.json profiles/old.json
run plan v1 --profiles profiles
expect_rc 4
expect_err "none of the 1 targets has a plan"
refuse 5 "holds no .json file" plan v1 --profiles images
refuse 2 "exclude each other" plan v1 --devices all --device cpu
refuse 2 "--save keeps the plan of one device" plan v1 --devices all --save x.json
refuse 2 "is not a list like cpu,opencl:0" plan v1 --devices cpu,,ref

# what is wrong with the command line is told before anything is measured
refuse 2 "usage: foldrun plan" plan
refuse 2 "'sideways' is not auto, layers or chain" plan v1 --schedule sideways
refuse 2 "'up' is not a list of floor" plan v1 --round up
refuse 2 "'f32,f31' is not" plan v1 --precision f32,f31
refuse 2 "--fold: 65 is not between" plan v1 --fold 65
refuse 2 "more than 16 numbers" plan v1 --fold 1-17
refuse 2 "cannot take 0 ms" plan v1 --max-latency 0
refuse 2 "nothing runs in 0 MB" plan v1 --max-memory 0
refuse 2 "exclude each other" plan v1 --fresh --no-measure
refuse 2 "exclude each other" plan v1 --measure 4 --no-measure
for option in --fresh "--measure 4" "--tune-budget 1"; do
    # shellcheck disable=SC2086
    refuse 2 "${option%% *} has no meaning with --profile" plan v1 --profile x.json $option
done
refuse 2 "exclude each other" plan v1 --device cpu --profile x.json
refuse 5 "did you mean 'v1'" plan v11 --device "$device"
refuse 3 "cuda" plan v1 --device cuda
refuse 1 "no-such-folder" plan v1 --device "$device" --save no-such-folder/plan.json
finish
