# run: what is wrong with the input, the output and the device.
. "${BASH_SOURCE%/*}/lib.sh"
common=(--device "$device" --tuning off --quiet)
ppm good.ppm 22 52 1

refuse 5 "missing.png" run v1 --input missing.png "${common[@]}"
ln -s /nowhere/at/all dangling.png
refuse 5 "a link to nothing" run v1 --input dangling.png "${common[@]}"
refuse 5 "good.ppm/below" run v1 --input good.ppm/below "${common[@]}"
mkdir nothing
refuse 5 "holds no image" run v1 --input nothing "${common[@]}"
: > empty.png
refuse 5 "empty.png: the file is empty" run v1 --input empty.png "${common[@]}"
echo "some words" > words.png
refuse 5 "words.png: not a PNG" run v1 --input words.png "${common[@]}"
head -c 1000 good.ppm > cut.ppm
refuse 5 "cut.ppm: the image is cut short" run v1 --input cut.ppm "${common[@]}"
printf 'P6 0 0 255\n' > zero.ppm
refuse 5 "zero.ppm: the image is empty" run v1 --input zero.ppm "${common[@]}"
printf 'P6 2000000 2000000 255\n' > huge.ppm
refuse 5 "huge.ppm: the image claims" run v1 --input huge.ppm "${common[@]}"
: | npy float.npy '<f4' '0, 22, 52, 3'
refuse 4 "float.npy: numbers of type f32" run v1 --input float.npy "${common[@]}"
: | npy short.npy '|u1' '5, 22, 52, 3'
refuse 5 "bytes of the array are missing" run v1 --input short.npy "${common[@]}"
: | npy rank.npy '|u1' '0, 3'
refuse 5 "N,H,W,C" run v1 --input rank.npy "${common[@]}"
: | npy none.npy '|u1' '0, 22, 52, 3'
run run v1 --input none.npy "${common[@]}"
expect_rc 0
expect_lines 1

# frames
bytes 5000 1 > frames
stdin=frames refuse 5 "frame 1 is cut short: 1864 of its 3432 bytes are missing" run v1 --input - --frame 22x52x3 "${common[@]}"
stdin=frames refuse 5 "frames of 2 channels" run v1 --input - --frame 22x52x2 "${common[@]}"
stdin=frames refuse 5 "given twice" run v1 --input - - --frame 22x52x3 "${common[@]}"

# one bad file in a folder ends the run, and nothing stands at -o; or it is left out and counted
mkdir mixed
for i in 1 2 3; do ppm mixed/f$i.ppm 22 52 "$i"; done
echo "bad" > mixed/f2b.png
refuse 5 "mixed/f2b.png" run v1 --input mixed -o rows.csv "${common[@]}"
check "no output is left" test ! -e rows.csv
check "no temporary file is left" test -z "$(find . -name '*rows*')"
run run v1 --input mixed --skip-bad --device "$device" --tuning off
expect_rc 0
expect_lines 4
expect_err "left out: mixed/f2b.png"
expect_err "could not be read, left out: 1"

# output
refuse 1 "No space left" run v1 --input good.ppm -o /dev/full "${common[@]}"
refuse 1 "no-such-folder" run v1 --input good.ppm -o no-such-folder/x.csv "${common[@]}"
last="run > /dev/full"
"$FOLDRUN" run v1 --input good.ppm "${common[@]}" > /dev/full 2> err
rc=$?
expect_rc 1
expect_err "cannot write to standard output: No space left"
last="run | head -n 1"
head -c $((3432 * 4000)) /dev/zero > zeros
"$FOLDRUN" run v1 --input - --frame 22x52x3 "${common[@]}" --top 11 < zeros 2> err | head -n 1 > out
rc=${PIPESTATUS[0]}
expect_rc 1
expect_err "cannot write to standard output: Broken pipe"
expect_lines 1

# devices and precisions: never another one instead
refuse 5 "there is no backend 'cpuu'" run v1 --input good.ppm --device cpuu --quiet
refuse 3 "" run v1 --input good.ppm --device "$device:99" --quiet
refuse 3 "cuda" run v1 --input good.ppm --device cuda --quiet
if [ "$device" = cpu ]; then
    refuse 4 "f64" run v1 --input good.ppm --device cpu --precision f64 --quiet
    refuse 4 "does not compute in tf32; it has f32" run v1 --input good.ppm --device cpu --precision tf32 --quiet
fi

# f against batch, scaling against channels
refuse 2 "--batch 3 is less than the fold" run v1 --input good.ppm --fold 4 --batch 3 "${common[@]}"
refuse 2 "--fold: 0 is not between" run v1 --input good.ppm --fold 0 "${common[@]}"
refuse 2 "--mean has 2 numbers" run v1 --input good.ppm --mean 1,2 "${common[@]}"
refuse 5 "did you mean 'v1'" run v11 --input good.ppm "${common[@]}"

# Ctrl-C: ends at once, leaves nothing
mkfifo pipe
last="run, interrupted"
"$FOLDRUN" run v1 --input - --frame 22x52x3 -o stopped.csv "${common[@]}" < pipe > out 2> err &
child=$!
exec 9> pipe
sleep 1
kill -INT "$child"
wait "$child"
rc=$?
exec 9>&-
expect_rc 1
expect_err "interrupted"
check "no output is left" test -z "$(find . -name '*stopped*')"
last="run on an endless stream, interrupted"
"$FOLDRUN" run v1 --input - --frame 22x52x3 --batch 8 -o stopped.csv "${common[@]}" < /dev/zero > out 2> err &
child=$!
sleep 1
kill -INT "$child"
for _ in $(seq 600); do
    kill -0 "$child" 2> /dev/null || break
    sleep 0.1
done
kill -KILL "$child" 2> /dev/null
wait "$child"
rc=$?
expect_rc 1
expect_err "interrupted"
check "no output is left" test -z "$(find . -name '*stopped*')"
finish
