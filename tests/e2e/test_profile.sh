# profile: measures a device, keeps what it found, and shows it as tables, text and a picture.
. "${BASH_SOURCE%/*}/lib.sh"
export FOLDRUN_CACHE_DIR=$work/cache

# some of it, then some more
run profile --device "$device" --quick --budget 3s --precision f32
expect_rc 0
expect_out "$device:0: "
expect_out "profile: $work/cache/"
expect_out "whole runs"
checks=$((checks + 1))
points() { sed -n 's/^measured: \([0-9,]*\) points.*/\1/p' out | tr -d ,; }
[ "$(points)" -gt 0 ] || fail "no point was measured"
before=$(points)
run profile --device "$device" --quick --budget 3s --precision f32
expect_rc 0
checks=$((checks + 1))
[ "$(points)" -ge "$before" ] || fail "$before points became $(points)"

# the file itself, on standard output and beside it
run profile --device "$device" --quick --budget 0.01s --precision f32 --json -o copy.json
expect_rc 0
expect_same out copy.json
expect_jq 'type == "object"'

# shown without a device, from a file; text in ASCII here, a picture
FOLDRUN_BACKEND_DIR=$work/nowhere run profile --file copy.json --show --plot stairs.svg
expect_rc 0
expect_out "profile: copy.json"
expect_out "GB/S"
expect_out "drawn in stairs.svg"
checks=$((checks + 1))
LC_ALL=C grep -q '[^ -~]' out && fail "there is more than ASCII in the C locale"
check "the picture is whole" grep -q '</svg>' stairs.svg
check "it has a title" grep -q '<title id="title">' stairs.svg
check "it has a dark side" grep -q 'prefers-color-scheme:dark' stairs.svg
if command -v xmllint > /dev/null; then
    check "it is well-formed" xmllint --noout stairs.svg
fi
run profile --file copy.json --json
expect_rc 0
expect_same out copy.json
checks=$((checks + 1))
run profile --file copy.json
grep -q 'The profile was made by' out && fail "a new profile is called old"
"$JQ" '.foldrun = "0.0.9"' copy.json > old.json
run profile --file old.json
expect_rc 0
expect_out "The profile was made by foldrun 0.0.9, and this is foldrun "

# what is wrong
head -c 200 copy.json > cut.json
refuse 5 "cut.json" profile --file cut.json
refuse 5 "none.json" profile --file none.json
echo '{"some": "other file"}' > other.json
refuse 5 "other.json" profile --file other.json
refuse 2 "measures nothing" profile --file copy.json --quick
refuse 2 "measures nothing" profile --file copy.json --device "$device"
refuse 2 "leave it out for a full profile" profile --quick --budget 10m
refuse 2 "is not a time like 60s, 5m or 1h" profile --budget soon
refuse 2 "'f31'" profile --precision f31
if [ "$device" = cpu ]; then
    refuse 4 "does not compute in tf32; it has f32" profile --device cpu --precision f32,tf32
fi
refuse 2 "one word too many" profile cpu
refuse 3 "cuda" profile --device cuda
FOLDRUN_CACHE_DIR="" refuse 3 "no cache folder" profile --device "$device" --quick
refuse 1 "nowhere/stairs.svg" profile --file copy.json --plot nowhere/stairs.svg
check "nothing is half-written" test ! -e nowhere/stairs.svg
refuse 1 "nowhere/p.json" profile --file copy.json -o nowhere/p.json

# Ctrl-C keeps what there is; a busy machine takes longer until there is something
last="profile, interrupted"
for seconds in 1.5 5 20; do
    rm -rf "$work/cache"
    "$FOLDRUN" profile --device "$device" --budget 200s --precision f32 > out 2> err &
    child=$!
    sleep $seconds
    kill -INT "$child"
    wait "$child"
    rc=$?
    [ "$(points || true)" = "" ] || [ "$(points)" = 0 ] || break
done
expect_rc 130
expect_err "run it again to go on"
checks=$((checks + 1))
before=$(points)
[ "${before:-0}" -gt 0 ] || fail "nothing was kept"
run profile --device "$device" --budget 1s --precision f32
expect_rc 0
expect_out "run it again to go on"
checks=$((checks + 1))
[ "$(points)" -ge "${before:-0}" ] || fail "$before points became $(points)"
check "no temporary file is left" test "$(find "$work/cache" -type f ! -name '*.bin' ! -name '*.json' | wc -l)" = 0

# from the beginning
run profile --device "$device" --quick --budget 1s --precision f32 --again
expect_rc 0
expect_out "quick, "
finish
