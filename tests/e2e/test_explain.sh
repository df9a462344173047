# explain: a page for each choice, of a plan made now or kept.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache
small=(--device "$device" --batch 8 --tune-budget 0.2 --precision f32 --round floor)

run profile --device "$device" --quick --budget 3s
expect_rc 0
run plan v1 --fold 1,2 "${small[@]}" --save plan.json
expect_rc 0
fold=$("$JQ" .choice.fold plan.json)
folded=$("$JQ" '[.choice, .alternatives[] | select(.fold == 2) | .row][0]' plan.json)
plain=$("$JQ" '[.choice, .alternatives[] | select(.fold == 1) | .row][0]' plan.json)

# the choice, layer by layer
run explain plan.json --json
expect_rc 0
cp out kept.json
expect_jq ".explained.fold == $fold and .plan.choice.fold == $fold and .explained.broken == null"
expect_jq '(.layers.plain | length) > 4 and (.layers.chosen | length) > 4 and (.schedule | length) > 0'
# what has no basis was not predicted: changes of layout, programs of several steps
expect_jq 'all(.layers.plain[], .layers.chosen[] | select(.basis); (.name | length > 0) and .bytes > 0 and .predicted_ns > 0 and .fill > 0 and .fill <= 1)'
expect_jq 'all(.layers.plain[], .layers.chosen[] | select(.basis); .basis | IN("measured", "interpolated", "extrapolated", "limit"))'
expect_jq '[.layers.plain[].ops] | add | . > 16700000 and . < 16900000' # FACTS: 16,778,672
expect_jq 'all(.layers.chosen[] | select(.basis); .kernel != null and .measured_ns > 0)'
expect_jq '(.kernels | length) > 4 and any(.kernels[]; .chosen != null)'
[ "$device" = ref ] || expect_jq 'any(.kernels[]; (.offered | length) > 0)' # which has one for each
expect_jq 'all(.kernels[].refused[]; (.why | length > 0) and (.kernels | length > 0))'
expect_jq '(.why | length > 0) and all(.why[], .changes[]; length > 0)'
expect_jq 'any(.changes[]; contains("would have to be") or contains("the simpler one wins") or contains("too inaccurate"))'

# with the kernels of the file, and with no others that a session would choose by now
check "these are the plan's kernels" "$JQ" -e --slurpfile plan plan.json '[.layers.chosen[] | select(.basis).kernel] - [$plan[0].kernels.steps[].candidate] == []' kept.json
"$JQ" '.kernels.steps[0].candidate = "none.such"' plan.json > edited.json
run explain edited.json --json
expect_rc 0
expect_err "the given plan is not used"

# the same of a plan that is made (found in the cache) now
run explain v1 --fold 1,2 "${small[@]}" --json -o copy.json
expect_rc 0
expect_same out copy.json
check "it is the same plan" "$JQ" -e --slurpfile kept kept.json '.plan.from_cache and .plan.choice == $kept[0].plan.choice and .explained == $kept[0].explained' out

# as a page; of the folded row with the plain network beside it
run explain plan.json --row "$folded" --no-measure
expect_rc 0
for words in "v1 on $device:0" "fold 2, f32" "why:" "at fold 1:" "at fold 2, widths floor:" "LIMIT NS" "in all" "what would change the decision:" "export v1 --fold 2"; do
    expect_out "$words"
done
[ "$folded" = "$("$JQ" .choice.row plan.json)" ] || expect_out "that is row $folded, and not the choice"
run explain plan.json --row "$plain"
expect_rc 0
expect_out "layer by layer:"
expect_out "kernels:"
expect_out "it is the best of fold 1"
checks=$((checks + 1))
grep -q "at fold 2" out && fail "a plain row shows a folded network"
run explain v1 --fold 1,2 "${small[@]}" --no-measure --row 2 --json
expect_rc 0
expect_jq '.explained.row == 2 and all(.layers.chosen[]; .measured_ns == null)'

# by a profile alone, of a device that need not be here
cp "$(find "$work/cache" -name "probe-$device-*.json")" elsewhere.json
run plan v1 --fold 1,2 --batch 8 --profile elsewhere.json --save elsewhere-plan.json --json
expect_rc 0
expect_jq '.choice.measured == null and .options.profile == "elsewhere.json"'
FOLDRUN_CACHE_DIR=$work/other run explain elsewhere-plan.json --json
expect_rc 0
expect_jq '(.layers.chosen | length > 4) and .kernels == []'

# a limit that holds something back is told of
least=$("$JQ" '[.choice, .alternatives[] | .predicted.ms] | min' elsewhere-plan.json)
run explain v1 --fold 1,2 --batch 8,64 --profile elsewhere.json --max-latency "$("$JQ" -n "$least * 1.2")"
expect_rc 0
run explain v1 --fold 1,2 "${small[@]}" --no-measure --max-latency 0.0001
expect_rc 4
expect_no_out
expect_err "--row 1 explains the first all the same"
run explain v1 --fold 1,2 "${small[@]}" --no-measure --max-latency 0.0001 --row 1
expect_rc 0
expect_out "it breaks the limit on latency"

# Ctrl-C
last="explain, interrupted"
for seconds in 0.5 0.3 0.15 0.8 1.5 3 6; do
    rm -f stopped.json
    "$FOLDRUN" explain plan.json --row "$folded" -o stopped.json > out 2> err &
    child=$!
    sleep $seconds
    kill -INT "$child" 2> /dev/null
    wait "$child"
    rc=$?
    [ ! -s err ] || break # else it was too early for the program to watch, or too late
done
expect_rc 130
expect_err "interrupted: nothing was explained"
expect_no_out
check "no output is left" test ! -e stopped.json

refuse 2 "the plan has" explain plan.json --row 1000
refuse 2 "--batch contradicts the plan" explain plan.json --batch 8
refuse 2 "--max-latency contradicts the plan" explain plan.json --max-latency 3
refuse 2 "--row: 0 is not between" explain plan.json --row 0
refuse 5 "cannot read" explain no-such.json
"$JQ" '.model = "v11"' plan.json > moved.json
refuse 5 "did you mean 'v1'" explain moved.json
"$JQ" '.device = "cuda:7"' plan.json > away.json
refuse 3 "cuda" explain away.json
refuse 1 "no-such-folder" explain plan.json -o no-such-folder/x.json
finish
