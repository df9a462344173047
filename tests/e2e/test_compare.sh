# compare: what it keeps, how it goes on with it, and how files are put together and shown.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache
small=(--devices "$device" --batch 8 --slice 0.01 --interval 90 --tune-budget 0.1)
endless=(--devices "$device" --batch 8 --slice 0.5 --interval 0 --tune-budget 0.1 --budget 300s)
leftovers() { find "$work" -maxdepth 1 -name '.foldrun-*'; }

# the file, and the same on standard output
run compare v2 --fold 1,2 "${small[@]}" --json -o r.json
expect_rc 0
expect_same out r.json
expect_jq '.format == 1 and .what == "foldrun comparison" and (.command | contains("compare v2")) and .seconds > 0'
expect_jq '.foldrun | test("^[0-9.]+$")'
expect_jq '(.machines | length == 1) and (.machines[0] | .cores >= 1 and (.id | startswith("m")) and (.name | length > 0))'
expect_jq ".devices | length == 1 and .[0].id == \"$device:0\" and (.[0].driver | length > 0)"
expect_jq '.devices[0].machine == .machines[0].id and all(.rows[]; .machine == "'"$("$JQ" -r '.machines[0].id' r.json)"'")'
expect_jq '[.rows[].fold] | sort == [1, 2]'
expect_jq "all(.rows[]; .device == \"$device:0\" and .engine == \"foldrun\" and .model == \"v2\" and .batch == 8)"
expect_jq 'all(.rows[]; .precision == "f32" and .schedule == "auto" and .round == "floor" and .copies)'
expect_jq 'all(.rows[]; (.visits | length) >= 6 and all(.visits[]; .images_per_s > 0 and .at_s > 0))'
expect_jq 'all(.rows[]; .images_per_s | .low > 0 and .low <= .median and .median <= .high)'
expect_jq 'all(.rows[]; .images_per_s == (.visits | map(.images_per_s) | sort | {median: ((.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2), low: .[0], high: .[-1]}) or (.visits | length) > 8)'
expect_jq 'all(.rows[]; .check == "right" and (.failed | not) and .runs >= 3 and .ops_per_image > 0 and .open_ms > 0 and .first_ms > 0)'
expect_jq "all(.rows[]; .command | startswith(\"foldrun bench v2 --device $device:0 --fold\"))"
expect_jq '.interrupted | not'
# each row's command measures it
command=$("$JQ" -r '.rows[0].command' r.json)
# shellcheck disable=SC2086
run ${command#foldrun } --duration 0.05 --warmup 0 --json
expect_rc 0
expect_jq '.results | length == 1 and .[0].model == "v2" and .[0].batch == 8'

# gone on with: what is narrow is left alone, what is new is added
cp r.json before.json
run compare v2 --fold 1,2,4 "${small[@]}" --json -o r.json
expect_rc 0
expect_err "going on with the 2 rows of r.json"
expect_jq '[.rows[].fold] | sort == [1, 2, 4]'
check "the rows of before are as they were" "$JQ" -e --slurpfile before before.json \
    '[.rows[] | select(.fold != 4) | .visits] == [$before[0].rows[] | .visits]' out
run compare v2 --fold 1 "${small[@]}" --json -o r.json --fresh
expect_rc 0
expect_jq '.rows | length == 1'
cp before.json r.json

# what was measured with another driver does not count
"$JQ" '.devices[0].driver = "an older one"' r.json > old.json
run compare v2 --fold 1 "${small[@]}" --json -o old.json
expect_rc 0
expect_err "has another driver than in old.json"
check "measured anew" "$JQ" -e --slurpfile before before.json '.rows | length == 2 and (map(select(.fold == 2)) | all(.visits == [])) and
    (map(select(.fold == 1)) | .[0].visits | length >= 6 and .[0] != ($before[0].rows[] | select(.fold == 1) | .visits[0]))' old.json

# shown: a table, and for others
for format in table csv markdown; do
    run compare --merge r.json --format $format
    expect_rc 0
    expect_out v2
    expect_out "$device:0"
done
run compare --merge r.json
cp out table
run compare --merge r.json --format table
expect_same out table
expect_out "IMAGES/S"

# machines that never met: the same ids in both files, and yet two machines
"$JQ" '.machines[0].id = "a" | .devices[].machine = "a" | .rows[].machine = "a" | .machines[0].name = "desk"' r.json > desk.json
"$JQ" '.machines[0].id = "a" | .devices[].machine = "a" | .rows[].machine = "a" | .machines[0].name = "server"' r.json > server.json
run compare --merge desk.json server.json --json -o both.json
expect_rc 0
expect_same out both.json
expect_jq '([.machines[].name] == ["desk", "server"]) and (.devices | length == 2) and (.rows | length == 4) and .command == "merged"'
expect_jq '(.machines | map(.id)) as $ids | ($ids | unique | length == 2) and all(.rows[], .devices[]; .machine as $m | $ids | index([$m]))'
# once more changes nothing; the order of rows is that of the files
run compare --merge both.json desk.json server.json both.json --json
expect_rc 0
check "merging again changes nothing" "$JQ" -e --slurpfile both both.json '. == $both[0]' out
# what two calls on one machine measured is one row with the visits of both
"$JQ" '.rows[].visits |= map(.at_s += 1000)' desk.json > later.json
run compare --merge desk.json later.json --json
expect_rc 0
check "visits of both" "$JQ" -e --slurpfile one desk.json \
    '(.rows | length == 2) and .rows[0].runs == 2 * $one[0].rows[0].runs and (.rows[0].visits | length) == 2 * ($one[0].rows[0].visits | length)' out
run compare --merge both.json
expect_rc 0
expect_out desk
expect_out server
run compare --merge both.json --format markdown
expect_rc 0
expect_out "- desk: "

# no row, and one
"$JQ" '.rows = [] | .devices = [] | .machines = []' r.json > none.json
"$JQ" '.rows |= .[:1]' r.json > one.json
for file in none one; do
    for format in table csv markdown; do
        run compare --merge $file.json --format $format
        expect_rc 0
    done
    run compare --merge $file.json --json
    expect_rc 0
    expect_jq ".rows | length == $([ $file = one ] && echo 1 || echo 0)"
done
run compare --merge none.json one.json --json
expect_jq '.rows | length == 1'

# ten thousand rows
"$JQ" -c '.rows[0] as $row | .rows = [range(10000) as $i | $row | .model = "m\($i / 40 | floor)" | .fold = 1 + $i % 4 | .batch = 1 + ($i / 4 | floor) % 10
    | .visits |= map(.images_per_s *= (1 + $i / 10000))]' r.json > many.json
for format in table csv markdown; do
    run compare --merge many.json --format $format
    expect_rc 0
    expect_out m249
done
run compare --merge many.json many.json --json
expect_rc 0
expect_jq '.rows | length == 10000'

# what is wrong with a file is named
head -c 2000 r.json > cut.json
refuse 5 "cut.json: JSON, line" compare --merge cut.json
refuse 5 "none-such.json" compare --merge r.json none-such.json
echo '{"format": 1, "what": "foldrun device profile"}' > profile.json
refuse 5 "profile.json: this is no comparison" compare --merge profile.json
"$JQ" '.format = 2' r.json > newer.json
refuse 5 "its format is 2" compare --merge newer.json
"$JQ" '.rows[1].fold = 0' r.json > wrong.json
refuse 5 "wrong.json: row 2: 'fold'" compare --merge wrong.json
"$JQ" 'del(.rows[0].engine)' r.json > wrong.json
refuse 5 "row 1: 'engine' is missing" compare --merge wrong.json
"$JQ" '.rows[0].machine = "elsewhere"' r.json > wrong.json
refuse 5 "no machine 'elsewhere'" compare --merge wrong.json
"$JQ" '.rows[0].visits[0].images_per_s = "fast"' r.json > wrong.json
refuse 5 "'images_per_s' is no number" compare --merge wrong.json
cp wrong.json kept.json
refuse 5 "it is kept as it is" compare v2 --fold 1 "${small[@]}" -o wrong.json
expect_same wrong.json kept.json

refuse 2 "is not table, csv or markdown" compare --merge r.json --format xml
refuse 2 "give one of them" compare --merge r.json --format csv --json
refuse 2 "measures nothing" compare v1 --merge r.json
refuse 2 "measures nothing" compare --merge r.json --devices cpu
refuse 2 "measures nothing" compare --merge r.json --round up:16
refuse 2 "measures nothing" compare --merge r.json --slice 1
refuse 2 "nor a list like" compare v2 --devices cpu,,ref
refuse 2 "is not a time like 60s, 5m or 1h" compare v2 --budget soon
refuse 2 "is not auto, layers or chain" compare v2 --schedule sideways
refuse 5 "did you mean 'v2'" compare v22 "${small[@]}"
refuse 1 "no-such-folder" compare v2 "${small[@]}" -o no-such-folder/r.json
refuse 1 "No space left" compare --merge r.json -o /dev/full

# a device that computes in fewer precisions: a row with its reason, and the others go on
if [ "$device" = cpu ]; then
    run compare v2 --fold 1 "${small[@]}" --precision f64,f32 --json
    expect_rc 0
    expect_jq '[.rows[] | select(.failed)] | length == 1 and .[0].precision == "f64" and (.[0].reason | length > 0) and .[0].images_per_s == null'
    expect_jq '[.rows[] | select(.failed | not)] | length == 1 and .[0].precision == "f32" and .[0].images_per_s.median > 0'
    run compare v2 --fold 1 "${small[@]}" --precision f64
    expect_rc 1
    expect_err "every configuration failed"
fi

# killed in the middle: the file is whole, and the same command goes on with it
last="compare, killed"
"$FOLDRUN" compare v2 --fold 1,2 "${endless[@]}" -o killed.json > out 2> err &
child=$!
for _ in $(seq 120); do
    [ -s killed.json ] && "$JQ" -e '[.rows[].visits | length] | length == 2 and min >= 3' killed.json > /dev/null 2>&1 && break
    sleep 0.5
done
kill -KILL "$child"
wait "$child" 2> /dev/null
rc=$?
expect_rc 137
cp killed.json killed-before.json
check "the file is whole" "$JQ" -e '.rows | length == 2' killed.json
rm -f .foldrun-*
run compare v2 --fold 1,2 "${small[@]}" --json -o killed.json
expect_rc 0
expect_err "going on with the 2 rows"
check "what was measured counts" "$JQ" -e --slurpfile before killed-before.json \
    '. as $now | all(range(2); . as $i | $now.rows[$i].visits[:($before[0].rows[$i].visits | length)] == $before[0].rows[$i].visits)' killed.json
check "no temporary file is left" test -z "$(leftovers)"

# Ctrl-C keeps it, and says so
last="compare, interrupted"
"$FOLDRUN" compare v2 --fold 1 "${endless[@]}" -o stopped.json > out 2> err &
child=$!
for _ in $(seq 120); do
    [ -s stopped.json ] && break
    sleep 0.5
done
kill -INT "$child"
wait "$child"
rc=$?
expect_rc 130
expect_err "the same command goes on with it"
check "the file is whole" "$JQ" -e '.what == "foldrun comparison"' stopped.json
check "no temporary file is left" test -z "$(leftovers)"

finish
