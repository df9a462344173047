# export and fold: ONNX out and in again.
. "${BASH_SOURCE%/*}/lib.sh"
[ "${WITH_ONNX:-ON}" = ON ] || skip "built without ONNX"

for name in v1 n3 g32 squeezenet; do
    run export "$name" -o "$name.onnx"
    expect_rc 0
    expect_no_out
    expect_err "not trained"
    run show "$name" --json
    "$JQ" '{ops_per_input, params, activation_bytes, classes, channels, height, width}' out > plain.json
    run show "$name.onnx" --json
    expect_rc 0
    "$JQ" '{ops_per_input, params, activation_bytes, classes, channels, height, width}' out > again.json
    expect_same plain.json again.json
done

# import and export have a fixed point
run export v1.onnx -o again.onnx
expect_rc 0
run export again.onnx -o third.onnx
expect_rc 0
expect_same again.onnx third.onnx

# folding says that it must be trained; the file knows its fold
run fold v1.onnx --fold 4 -o folded.onnx
expect_rc 0
expect_err "must be trained"
run show folded.onnx --json
expect_rc 0
expect_jq '.fold == 4 and .images_per_input == 4 and .ops_per_input == 74796928 and .classes == 11 and (.trained | not)'
run export v1 --fold 4 -o direct.onnx
expect_rc 0
expect_err "must be trained"
run show direct.onnx --json
expect_jq '.fold == 4 and .ops_per_input == 74796928'
run fold v1.onnx --fold 2 --round up:16 -o rounded.onnx
run show rounded.onnx --json
expect_jq '.fold == 2 and .layers[0].out[0] == 48'

# seeds: the same again, another otherwise
run export v1 --fold 2 --seed 7 -o a.onnx
run export v1 --fold 2 --seed 7 -o b.onnx
run export v1 --fold 2 --seed 8 -o c.onnx
expect_same a.onnx b.onnx
checks=$((checks + 1))
! cmp -s a.onnx c.onnx || fail "two seeds give the same weights"

# a folded model does not fold again
run fold folded.onnx --fold 2 -o twice.onnx
checks=$((checks + 1))
case $rc in 4 | 5) ;; *) fail "folding a folded model: exit code $rc" ;; esac
expect_err "foldrun: "
check "nothing was written" test ! -e twice.onnx

# full disk, no folder
ln -s /dev/full full.onnx
refuse 1 "No space left" export v1 -o full.onnx
refuse 1 "no-such-folder" export v1 -o no-such-folder/v1.onnx
check "a failed export leaves nothing" test ! -e no-such-folder
check "no temporary files are left" test -z "$(find . -name '*tmp*' -o -name '.*.onnx*')"
finish
