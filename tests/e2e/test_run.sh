# run: one row an image, in order, whatever the source, the format and the fold.
. "${BASH_SOURCE%/*}/lib.sh"
common=(--device "$device" --tuning off --quiet)

mkdir images
for i in 1 2 3 4 5 6 10; do ppm images/f$i.ppm 22 52 "$i"; done
echo "no image" > images/notes.txt

# seven images in natural order
run run v1 --input images "${common[@]}"
expect_rc 0
expect_lines 8
printf 'image\nimages/f1.ppm\nimages/f2.ppm\nimages/f3.ppm\nimages/f4.ppm\nimages/f5.ppm\nimages/f6.ppm\nimages/f10.ppm\n' > names
cut -d, -f1 out > got
expect_same names got
cp out plain.csv
run run v1 --input images --device "$device" --tuning off
expect_err "no images, passed over: 1"
expect_err "7 images in"
expect_err "seeded, not trained"

# the reference and the device agree; so do two batch sizes, exact sums and files given one by one
run run v1 --input images --top 11 "${common[@]}"
cp out all.csv
run run v1 --input images --top 11 --device ref --quiet
expect_rc 0
sort_rows all.csv > a
sort_rows out > b
check "ref and $device agree" near a b 0.002
run run v1 --input images --batch 2 "${common[@]}"
check "batch 2 agrees" near plain.csv out 0.001
run run v1 --input images --exact "${common[@]}"
check "exact agrees" near plain.csv out 0.002
run run v1 --input images/f1.ppm images/f2.ppm --input images/f3.ppm images/f4.ppm images/f5.ppm images/f6.ppm images/f10.ppm "${common[@]}"
check "files agree with their folder" near plain.csv out 0.001
run run v1 --input images --backend "$device" --tuning off --quiet
check "--backend is --device" near plain.csv out 0.001
run run v1 --input images --device "$device:0" --tuning off --quiet
check "$device:0 is $device" near plain.csv out 0.001

# jsonl and npy hold the same scores
run run v1 --input images --json --top 11 "${common[@]}"
expect_rc 0
expect_lines 7
"$JQ" -r '[.image, (.top | sort_by(.class)[] | .score)] | map(tostring) | join(" ")' out > c
check "jsonl agrees with csv" near a c 0.00001
check "index counts" test "$("$JQ" -r .index out | tr '\n' ' ')" = "0 1 2 3 4 5 6 "
check "best first" "$JQ" -es 'all(.[]; .top | . == sort_by(-.score))' out
run run v1 --input images --format npy -o scores.npy "${common[@]}"
expect_rc 0
expect_no_out
cut -d' ' -f2- a > numbers
npy_rows scores.npy 11 > d
check "npy agrees with csv" near numbers d 0.00001
run run v1 --input images --format npy "${common[@]}"
expect_same out scores.npy
run run v1 --input images -o rows.csv "${common[@]}"
expect_rc 0
expect_no_out
expect_same rows.csv plain.csv

# the same pixels as frames and as arrays of both orders
for i in 1 2 3 4 5 6 10; do tail -c 3432 images/f$i.ppm; done > frames
stdin=frames run run v1 --input - --frame 22x52x3 "${common[@]}"
expect_rc 0
cut -d, -f2- plain.csv > want
cut -d, -f2- out > got
check "frames agree" near want got 0.001
expect_out "stdin#6"
npy hwc.npy '|u1' '7, 22, 52, 3' < frames
run run v1 --input hwc.npy "${common[@]}"
expect_rc 0
cut -d, -f2- out > got
check "an array agrees" near want got 0.001
expect_out "hwc.npy#6"
od -An -v -t x1 -w3 frames | awk '{ p[NR - 1] = $0 } END { for (n = 0; n < 7; n++) for (c = 0; c < 3; c++) for (i = 0; i < 1144; i++)
    { split(p[n * 1144 + i], rgb, " "); printf "\\x%s", rgb[c + 1] } }' > escaped
printf '%b' "$(cat escaped)" | npy chw.npy '|u1' '7, 3, 22, 52'
run run v1 --input chw.npy "${common[@]}"
expect_rc 0
cut -d, -f2- out > got
check "an array of planes agrees" near want got 0.001

# folded: one answer an image, tail and all, the same for any batch and on the reference
for fold in 2 3 4; do
    run run v1 --input images --fold $fold --format npy -o by-batch.npy "${common[@]}"
    expect_rc 0
    run run v1 --input images --fold $fold --top 11 "${common[@]}"
    expect_rc 0
    expect_lines 8
    cut -d, -f1 out > got
    expect_same names got
    sort_rows out > a
    run run v1 --input images --fold $fold --batch $((fold + 1)) --top 11 "${common[@]}"
    sort_rows out > b
    check "fold $fold: batches agree" near a b 0.001
    run run v1 --input images --fold $fold --top 11 --device ref --quiet
    sort_rows out > b
    check "fold $fold: ref agrees" near a b 0.002
done
run run v1 --input images/f1.ppm --fold 4 "${common[@]}"
expect_rc 0
expect_lines 2
refuse 2 "folded shapes of it are not trained" run v1 --input images --fold auto "${common[@]}"
run run v1 --input images --fold 4 --device "$device" --tuning off
expect_err "folded, are seeded"

# probabilities add up to 1; scaling matters, and the model's own can be given
run run v1 --input images --softmax --json --top 11 "${common[@]}"
check "softmax sums to 1" "$JQ" -es 'all(.[]; ([.top[].score] | add) as $s | $s > 0.999 and $s < 1.001)' out
run run v1 --input images --mean 0 --scale 1/255 "${common[@]}"
check "0 and 1/255 are the model's own" near plain.csv out 0.001
run run v1 --input images --mean 128,128,128 --scale 0.01 "${common[@]}"
expect_rc 0
checks=$((checks + 1))
! cmp -s out plain.csv || fail "scaling changes nothing"

# other sizes and grey images are made to fit
ppm large.ppm 100 90 5
{ printf 'P5 10 10 255\n'; bytes 100 3; } > grey.pgm
run run v1 --input large.ppm grey.pgm "${common[@]}"
expect_rc 0
expect_lines 3

# precisions
for precision in bf16 int8; do
    "$FOLDRUN" devices --json | "$JQ" -e ".devices[] | select(.id == \"$device:0\") | .precisions | index(\"$precision\")" > /dev/null || continue
    run run v1 --input images --softmax --json --top 11 --precision $precision --calibrate images "${common[@]}"
    expect_rc 0
    check "$precision: seven rows" test "$(wc -l < out)" = 7
    "$JQ" -r '[.image, (.top | sort_by(.class)[] | .score)] | map(tostring) | join(" ")' out > b
    run run v1 --input images --softmax --json --top 11 "${common[@]}"
    "$JQ" -r '[.image, (.top | sort_by(.class)[] | .score)] | map(tostring) | join(" ")' out > a
    check "$precision is near f32" near a b 0.05
done
finish
