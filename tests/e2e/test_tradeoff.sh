# tradeoff: whether folding pays in front of a general CNN, from figures and from saved plans.
. "${BASH_SOURCE%/*}/lib.sh"

# the documents' example: 2.5 times as fast, 0.21 points lost: up to 285.7; ResNet-50 over N2 is 83
run tradeoff --speedup 2.5 --drop 0.0021 --ts 1 --tg 83 --unsure 0.1
expect_rc 0
expect_out "285.7"
expect_out "Folding wins: the general CNN takes 83.0 times as long"
run tradeoff --speedup 2.5 --drop 0.0021 --ts 1 --tg 83 --unsure 0.1 --json
expect_rc 0
expect_jq '(.break_even - 285.714285714) | fabs < 1e-6'
expect_jq '.ratio == 83 and .wins == "folded" and .unit == null'
expect_jq '(.expected.plain - 9.3 | fabs < 1e-9) and (.expected.folded - (0.4 + 0.1021 * 83) | fabs < 1e-9)'
cp out plain.json
for drop in 0.21% 0.21pt "0.21 points"; do
    run tradeoff --speedup 2.5x --drop "$drop" --ts 1 --tg 83 --unsure 0.1 --json
    expect_jq '.drop - 0.0021 | fabs < 1e-12'
done

# units are brought to one; above the break-even folding loses
run tradeoff --speedup 2.5 --drop 0.21% --ts 12us --tg 4ms --json
expect_rc 0
expect_jq '.unit == "us" and (.ratio - 1000 / 3 | fabs < 1e-9) and .wins == "plain"'
run tradeoff --speedup 2.5 --drop 0.21% --ts 12us --tg 4ms
expect_out "Folding loses"
expect_out "12.0 us"

# nothing lost, nothing gained
run tradeoff --speedup 2 --drop 0 --ts 1 --tg 100000 --json
expect_jq '.break_even == null and .wins == "folded"'
run tradeoff --speedup 2 --drop 0 --ts 1 --tg 100000
expect_out "at any ratio"
run tradeoff --speedup 0.9 --drop 0.001 --ts 1 --tg 1
expect_rc 0
expect_out "at no ratio"

refuse 2 "--speedup is missing" tradeoff
refuse 2 "--tg is missing" tradeoff --speedup 2 --drop 0.1 --ts 1
refuse 2 "'fast' is not" tradeoff --speedup fast --drop 0.1 --ts 1 --tg 2
refuse 2 "'-2' is not" tradeoff --speedup -2 --drop 0.1 --ts 1 --tg 2
refuse 2 "'21' is not a share" tradeoff --speedup 2 --drop 21 --ts 1 --tg 2
refuse 2 "'-1%' is not a share" tradeoff --speedup 2 --drop -1% --ts 1 --tg 2
refuse 2 "'%' is not a share" tradeoff --speedup 2 --drop % --ts 1 --tg 2
refuse 2 "--ts: '0' is not a time" tradeoff --speedup 2 --drop 0.1 --ts 0 --tg 2
refuse 2 "--tg: '2h' is not a time" tradeoff --speedup 2 --drop 0.1 --ts 1 --tg 2h
refuse 2 "give both with a unit" tradeoff --speedup 2 --drop 0.1 --ts 1ms --tg 2
refuse 2 "--unsure: 1.5 is not between" tradeoff --speedup 2 --drop 0.1 --ts 1 --tg 2 --unsure 1.5
refuse 5 "more images than there are" tradeoff --speedup 2 --drop 0.5 --ts 1 --tg 2 --unsure 0.9
for option in "--device cpu" "--precision f32" "--batch 64"; do
    # shellcheck disable=SC2086
    refuse 2 "those of --general" tradeoff --speedup 2 --drop 0.1 --ts 1 --tg 2 $option
done

# two saved plans, and a general CNN that is measured
saved() { # saved FILE FOLD IMAGES_PER_S ACCURACY
    printf '{"format": 1, "device": "%s:0", "model": "v1", "choice": {"row": 1, "label": "v1", "fold": %s, "round": "floor", "quantum": 0,
  "precision": "f32", "schedule": "layers", "batch": 64, "measured": %s, "accuracy": %s}, "alternatives": []}\n' \
        "$device" "$2" "$3" "$4" > "$1"
}
saved plain.json 1 '{"images_per_s": 1e9}' 97.5
saved folded.json 4 '{"images_per_s": 2e9}' 97.4
run tradeoff --plans plain.json folded.json --general v2 --batch 8 --json
expect_rc 0
expect_jq '.speedup == 2 and (.drop - 0.001 | fabs < 1e-12) and .unit == "us" and (.ts - 0.001 | fabs < 1e-15)'
expect_jq '(.break_even - 500 | fabs < 1e-6) and .general.model == "v2" and .general.batch == 8 and .general.precision == "f32"'
expect_jq '(.general.images_per_s > 0) and (.tg - 1e6 / .general.images_per_s | fabs < 1e-6) and (.ratio - .tg / .ts | fabs < 1e-3)'
expect_jq '[.plans[] | .fold] == [1, 4]'
run tradeoff --plans plain.json folded.json --general v2 --batch 8 --drop 0.5%
expect_rc 0
expect_out "0.5 points"
expect_out "v2 (f32, batch 8) on $device:0"

# the folded one is better, and a plan without an accuracy
saved better.json 2 '{"images_per_s": 2e9}' 98
run tradeoff --plans plain.json better.json --general v2 --batch 8
expect_rc 0
expect_out "no less accurate"
expect_out "at any ratio"
saved unknown.json 4 '{"images_per_s": 2e9}' null
refuse 2 "unknown.json does not know its accuracy: give --drop" tradeoff --plans plain.json unknown.json --general v2

saved guess.json 4 null 97
refuse 5 "'guess.json': this plan was not measured" tradeoff --plans plain.json guess.json --general v2
echo '{"choice": 3}' > other.json
refuse 5 "'other.json' is no plan that can be used" tradeoff --plans plain.json other.json --general v2
"$JQ" '.format = 2' folded.json > newer.json
refuse 5 "'newer.json' is no plan that can be used: it is of another version" tradeoff --plans plain.json newer.json --general v2
"$JQ" 'del(.model)' folded.json > nameless.json
refuse 5 "it does not say what it is of" tradeoff --plans plain.json nameless.json --general v2
echo '{"choice": {' > cut.json
refuse 5 "cut.json" tradeoff --plans plain.json cut.json --general v2
refuse 5 "none.json" tradeoff --plans plain.json none.json --general v2
refuse 2 "name the plain one first" tradeoff --plans folded.json plain.json --general v2
refuse 2 "go together" tradeoff --plans plain.json folded.json
refuse 2 "go together" tradeoff --plans plain.json --general v2
refuse 2 "the one or the other" tradeoff --plans plain.json folded.json --general v2 --ts 1
refuse 5 "did you mean 'v2'" tradeoff --plans plain.json folded.json --general v22
refuse 3 "cuda" tradeoff --plans plain.json folded.json --general v2 --device cuda
finish
