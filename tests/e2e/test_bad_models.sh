# ONNX files that are missing, damaged, or more than we can do.
. "${BASH_SOURCE%/*}/lib.sh"
[ "${WITH_ONNX:-ON}" = ON ] || skip "built without ONNX"

"$FOLDRUN" export v1 -o good.onnx 2> /dev/null || fail "export"
size=$(stat -c %s good.onnx)

refuse 5 "missing.onnx" show missing.onnx
: > empty.onnx
refuse 5 "empty.onnx" show empty.onnx
mkdir folder.onnx
refuse 5 "folder.onnx" show folder.onnx
ln -s /nowhere/at/all dangling.onnx
refuse 5 "dangling.onnx" show dangling.onnx
echo "this is no model" > words.onnx
refuse 5 "words.onnx" show words.onnx

for part in 1 10 100 1000 $((size / 2)) $((size - 1)); do
    head -c "$part" good.onnx > cut.onnx
    refuse 5 "" show cut.onnx
done

# a length of 2 GB: field 7 (graph), and nothing behind it
printf '\x08\x08\x3a\xff\xff\xff\xff\x07' > huge.onnx
refuse 5 "" show huge.onnx
{ printf '\x08\x08\x3a\xff\xff\xff\xff\x07'; head -c 5000 good.onnx; } > huge.onnx
refuse 5 "" show huge.onnx

# flipped bits: refused or harmless, never a crash
for at in $(seq 0 7 400) $((size / 3)) $((size - 30)) $((size - 200)); do
    cp good.onnx flipped.onnx
    byte=$(od -An -t u1 -j "$at" -N 1 good.onnx)
    # shellcheck disable=SC2059
    printf "\\x$(printf '%02x' $((byte ^ 1 << at % 8)))" | dd of=flipped.onnx bs=1 seek="$at" conv=notrunc 2> /dev/null
    run show flipped.onnx
    checks=$((checks + 1))
    case $rc in
    0) ;;
    4 | 5) expect_err "foldrun: " ;;
    *) fail "byte $at flipped: exit code $rc" ;;
    esac
done

# conv1 reads what relu5 makes
sed '0,/input/s//relu5/' good.onnx > cycle.onnx
refuse 5 "cycle" show cycle.onnx

# conv2 gets the weights of conv5, which make 8 channels: its bias has 32
sed '0,/conv2\.weight/s//conv5.weight/' good.onnx > shapes.onnx
refuse 5 "conv2" show shapes.onnx

# an operator nobody knows: one table with all three of them
sed 's/MaxPool/MaxPoof/g' good.onnx > unknown.onnx
run show unknown.onnx
expect_rc 4
expect_no_out
expect_err "foldrun: "
for node in pool1 pool2 pool3; do
    check "$node is in the table" sh -c "grep MaxPoof err | grep -q $node"
done

# weights that are no numbers; all that need them refuse
cp good.onnx nan.onnx
printf '\xff\xff\xff\xff\xff\xff\xff\xff' | dd of=nan.onnx bs=1 seek=$((size / 2)) conv=notrunc 2> /dev/null
ppm image.ppm 22 52 1
refuse 5 "NaN" run nan.onnx --input image.ppm --device "$device" --tuning off --quiet
finish
