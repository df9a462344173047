# help, version, and what is wrong with a command line.
. "${BASH_SOURCE%/*}/lib.sh"

run
expect_rc 2
expect_out "usage: foldrun COMMAND"
run help
expect_rc 0
for command in devices models show run bench compare report profile plan explain tradeoff tune selftest export fold; do
    grep -q "^  $command " out || fail "help does not list $command"
    run "$command" --help
    expect_rc 0
    expect_out "usage: foldrun $command"
    expect_out "examples:"
    expect_out "  foldrun $command"
    checks=$((checks + 1))
    [ ! -s err ] || fail "help writes to stderr"
    cp out by-option
    run help "$command"
    expect_same out by-option
    refuse 2 "unknown option '--no-such-thing'" "$command" --no-such-thing
    run help
done
run version
expect_rc 0
check "the version is three numbers" grep -qE '^foldrun [0-9]+\.[0-9]+\.[0-9]+$' out

refuse 2 "did you mean 'show'" shwo
refuse 2 "did you mean 'bench'" Bench
refuse 2 "unknown command 'xyzzy-plugh'" xyzzy-plugh
refuse 2 "did you mean 'devices'" help device
refuse 2 "did you mean '--fold'" show v1 --flod 4
refuse 2 "did you mean '--precision'" bench v1 --precison=f32
refuse 2 "unknown option '-z'" show v1 -z
refuse 2 "usage: foldrun show MODEL" show
refuse 2 "one word too many" show v1 v2
refuse 2 "--fold needs a value" show v1 --fold
refuse 2 "--fold needs a value" show v1 --fold --json
refuse 2 "takes no value" show v1 --json=yes
refuse 2 "--fold: 0 is not between" show v1 --fold 0
refuse 2 "--fold: -2 is not between" show v1 --fold -2
refuse 2 "'4x' is not a whole number" show v1 --fold 4x
refuse 2 "'' is not a whole number" show v1 --fold=
refuse 2 "'99999999999999999999' is not a whole number" show v1 --batch 99999999999999999999
refuse 2 "--batch: 0 is not between" show v1 --batch 0
refuse 2 "is not a list like" bench v1 --fold 1,,2
refuse 2 "is not a list like" bench v1 --fold 4-1
refuse 2 "--fold: 0 is not between" bench v1 --fold 0-3
refuse 2 "more than 64 numbers" bench v1 --fold 1-100
refuse 2 "'f31' is not" show v1 --precision f31
refuse 2 "'up' is not" show v1 --round up
refuse 2 "'up:0' is not" show v1 --round up:0
refuse 2 "'sideways:8' is not" show v1 --round sideways:8
refuse 2 "'22x52' is not" run v1 --input - --frame 22x52
refuse 2 "'0x52x3' is not" run v1 --input - --frame 0x52x3
refuse 2 "is not a list of numbers" run v1 --input x --scale 1/0
refuse 2 "is not cached, fresh or off" run v1 --input x --tuning maybe
refuse 2 "is not csv, jsonl or npy" run v1 --input x --format xml
refuse 2 "--json means" run v1 --input x --format csv --json
refuse 2 "no meaning with --format npy" run v1 --input x --format npy --top 3
refuse 2 "--input is missing" run v1
refuse 2 "needs the size of a frame" run v1 --input -
refuse 2 "is not u8 or f32" bench v1 --input-dtype u16
refuse 2 "is not a time like 60s, 5m or 1h" tune v1 --budget soon
refuse 2 "is not a time like 60s, 5m or 1h" tune v1 --budget 0
refuse 2 "is not a time like 60s, 5m or 1h" tune v1 --budget s
refuse 2 "'f31' is not" tune v1 --precision f31
refuse 2 "one word too many" selftest v1
refuse 2 "did you mean '--again'" selftest --agian
refuse 2 "-o FILE.onnx is missing" export v1
refuse 2 "must end in .onnx" export v1 -o v1.txt
refuse 2 "--fold F is missing" fold v1 -o v1.onnx

# both spellings of a value, and -- before a word
run show v1 --fold=4 --json
cp out equals
run show --fold 4 --json -- v1
expect_rc 0
expect_same out equals
run show v1 -f4 --json
expect_same out equals

# answers that cannot be written are a failure
for command in "help" "version" "models" "devices --json" "show v1 --json" "show v1 --help"; do
    last="$command > /dev/full"
    # shellcheck disable=SC2086
    "$FOLDRUN" $command > /dev/full 2> err
    rc=$?
    expect_rc 1
    expect_err "cannot write to standard output"
done
finish
