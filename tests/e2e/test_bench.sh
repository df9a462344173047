# bench: figures that belong together. Times themselves are nobody's business here.
. "${BASH_SOURCE%/*}/lib.sh"
quick=(--device "$device" --tuning off --duration 0.05 --warmup 0)

run bench v1 --fold 1,4 --batch 8,64 --json -o bench.json "${quick[@]}"
expect_rc 0
expect_same out bench.json
expect_jq '.version and (.command | startswith("'"$FOLDRUN"' bench v1 --fold 1,4")) and .host.cores >= 1 and (.host.cpu | length > 0) and (.host.os | length > 0) and .host.memory_bytes > 0'
expect_jq ".device.id == \"$device:0\" and (.device.driver | length > 0)"
expect_jq '.results | length == 4'
expect_jq '[.results[] | [.fold, .batch]] | sort == [[1, 8], [1, 64], [4, 8], [4, 64]]'
expect_jq 'all(.results[]; .model == "v1" and .precision == "f32" and .repeats >= 3 and .copies)'
expect_jq 'all(.results[]; .images_per_s | .p5 > 0 and .p5 <= .median and .median <= .p95)'
expect_jq 'all(.results[]; .resident.images_per_s | .p5 > 0 and .p5 <= .median and .median <= .p95)'
expect_jq 'all(.results[]; .images_per_s_with_transfers == .images_per_s.median and .images_per_s_without_transfers == .resident.images_per_s.median)'
expect_jq '.bundles == "auto" and .interrupted == false'
expect_jq 'all(.results[]; .latency_ms | .p50 > 0 and .p50 <= .p90 and .p90 <= .p95 and .p95 <= .p99)'
# figures that follow from each other
expect_jq 'all(.results[]; (.images_per_s.median * .latency_ms.p50 / 1000 / .batch) as $x | $x > 0.999 and $x < 1.001)'
expect_jq 'all(.results[]; (.gflops * 1e9 / .images_per_s.median / .ops_per_image) as $x | $x > 0.999 and $x < 1.001)'
expect_jq '.device.peak_gflops.f32 as $peak | $peak == null or all(.results[]; (.gflops / .percent_of_peak * 100 / $peak) as $x | $x > 0.999 and $x < 1.001)'
expect_jq 'all(.results[]; (.fold == 1 and .ops_per_image == 16778672) or (.fold == 4 and .ops_per_image == 74796928 / 4))'
expect_jq 'all(.results[]; .planned_bytes > 0 and .weight_bytes > 0 and .peak_bytes > 0 and .open_ms > 0 and .first_run_ms > 0 and (.schedule | length > 0))'
expect_jq 'all(.results[] | select(.fold == 1); .speedup == null) and all(.results[] | select(.fold == 4); .speedup.over_fold_1 > 0 and (.speedup.spreads_overlap | type == "boolean"))'
expect_jq '.results as $r | all($r[] | select(.fold == 4); . as $row | ($r[] | select(.fold == 1 and .batch == $row.batch)) as $base
    | ($row.images_per_s.median / $base.images_per_s.median / $row.speedup.over_fold_1) as $x | $x > 0.999 and $x < 1.001)'
expect_jq '.verdict | length == 1 and (.[0] | startswith("v1 on '"$device"':0: fold"))'

# text: tables and the sentence
run bench v1 --fold 1-2 --batch 8 --layers "${quick[@]}"
expect_rc 0
expect_out "IMAGES/S"
expect_out "with transfers"
expect_out "without transfers"
expect_out "SCHEDULE"
expect_out "layer by layer"
expect_out "conv1"
expect_out "v1 on $device:0: fold"
expect_out "why: fold 2 raises arithmetic intensity"

# several models and precisions, f32 images, without copies, one thread
run bench v2 n1 --fold 1 --batch 4 --precision f32 --no-transfers --threads 1 --input-dtype f32 --exact --json "${quick[@]}"
expect_rc 0
expect_jq '[.results[].model] == ["v2", "n1"] and all(.results[]; .copies | not) and .input_dtype == "f32"'
expect_jq 'all(.results[]; .images_per_s == .resident.images_per_s)'
expect_jq 'all(.results[]; .images_per_s_with_transfers == null and .images_per_s_without_transfers > 0)'
run bench v1 --fold 1 --batch 4 --bundles off "${quick[@]}"
expect_rc 0
run bench v1 --fold 1 --batch 4 --bundles maybe "${quick[@]}"
expect_rc 2
expect_err "is not auto, off or on"

# lanes bound to cores
run bench v1 --fold 1 --batch 4 --pin on --threads 2 --json "${quick[@]}"
expect_rc 0
expect_jq '.pin == "on" and all(.results[]; .pinned_lanes == 2 or .lane_threads > 1)'
run bench v1 --fold 1 --batch 4 --pin off --json "${quick[@]}"
expect_rc 0
expect_jq '.pin == "off" and all(.results[]; .pinned_lanes == 0)'
refuse 2 "is not auto, off or on" bench v1 --pin maybe "${quick[@]}"

# schedules that are asked for
for schedule in layers chain; do
    run bench v2 --fold 1,2 --batch 64 --schedule $schedule --json "${quick[@]}"
    expect_rc 0
    expect_jq "all(.results[]; .schedule_kind == \"$schedule\")"
done
refuse 2 "is not auto, layers or chain" bench v1 --schedule sideways "${quick[@]}"

# a model that is folded already is measured as it is
if [ "${WITH_ONNX:-ON}" = ON ]; then
    "$FOLDRUN" export v1 --fold 4 -o folded.onnx 2> /dev/null
    run bench folded.onnx --batch 8 --json "${quick[@]}"
    expect_rc 0
    expect_jq '[.results[] | .model, .fold] == ["folded.onnx", 4]'
fi

# f above the batch is left out, aloud; nothing else is an error
run bench v1 --fold 1,4 --batch 2 --json "${quick[@]}"
expect_rc 0
expect_jq '[.results[].fold] == [1]'
expect_err "fold 4 is left out at batch 2"
run bench v1 --fold 4 --batch 2 "${quick[@]}"
expect_rc 2
expect_err "nothing to measure"

refuse 5 "did you mean 'v1'" bench v11 "${quick[@]}"
refuse 3 "cuda" bench v1 --fold 1 --device cuda
refuse 3 "" bench v1 --fold 1 --device "$device:99"
refuse 1 "No space left" bench v1 --fold 1 --batch 8 -o /dev/full "${quick[@]}"
refuse 1 "no-such-folder" bench v1 --fold 1 -o no-such-folder/b.json "${quick[@]}"

# Ctrl-C
last="bench, interrupted"
"$FOLDRUN" bench v1 --fold 1 --batch 8 --device "$device" --tuning off --duration 600 -o stopped.json > out 2> err &
child=$!
sleep 2
kill -INT "$child"
wait "$child"
rc=$?
expect_rc 130
expect_err "interrupted: 0 configurations"
expect_no_out
check "no output is left" test -z "$(find . -name '*stopped*')"

# ... and what was measured before it is given
last="bench, interrupted between rows"
for how in --json --exact; do
    for seconds in 2 6 20; do
        "$FOLDRUN" bench v1 --fold 1 --batch 1-32 $how "${quick[@]}" --duration 0.4 -o part.json > out 2> err &
        child=$!
        sleep $seconds
        kill -INT "$child"
        wait "$child"
        rc=$?
        [ ! -s out ] || break
    done
    expect_rc 130
    expect_err "interrupted: "
    if [ $how = --json ]; then
        expect_same out part.json
    else
        expect_out "v1 on $device:0: fold 1"
        cp part.json out
    fi
    expect_jq '.interrupted and (.results | length) >= 1 and (.results | length) < 32 and (.verdict | length) == 1'
    expect_jq 'all(.results[]; .repeats >= 3)'
done

# where the planner chooses the fold, it chooses the precision too, as the help says
run bench --help
expect_out "of every one of the device but int8 and f64"
finish
