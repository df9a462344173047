# bench/peers/comparison.py: what it writes is read, ranked and merged as what `foldrun compare` writes. No peer is needed.
peers=$(realpath "${BASH_SOURCE%/*}/../../bench/peers")
. "${BASH_SOURCE%/*}/lib.sh"
command -v python3 > /dev/null || skip "python3 is not installed"
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$peers FOLDRUN_DEVICE=$device FOLDRUN_CACHE_DIR=$work/cache

# rows_of FILE fresh|on FOLD...: a row of a made-up engine for each fold, with as many visits; and one of another, which failed
cat > rows.py << 'TEXT'
import os, random, sys, types
import comparison

path, fresh, counts = sys.argv[1], sys.argv[2] == "fresh", [int(word) for word in sys.argv[3:]]
options = types.SimpleNamespace(rows=path, fresh=fresh, rounds=3, most=9, narrow=2, machine=None, foldrun=os.environ["FOLDRUN"], random=random.Random(1))
options.visits = comparison.Visits(options)
file = comparison.File(options, "rows.py", ["--device", os.environ["FOLDRUN_DEVICE"]], {"seconds": 1}, "a made-up engine's")
key = {"engine": "other", "device": file.theirs("cpu"), "model": "v2", "precision": "f32"}
spread = random.Random(7)
for count in counts:
    if file.has(fold=count, **key):
        print("there already:", count)
        continue
    file.forget(fold=count, **key)
    visits = [(1000 + 100 * spread.random(), file.now() + i) for i in range(count)]
    file.row(visits, None, fold=count, batch=64, copies=True, runs=3 * count, check="right", max_error=1e-6, command=["measure", "it's"], version="1.2", **key)
file.forget(**dict(key, engine="failed"))
file.row([(5.0, 1.0)], "it broke\n" + "x" * 1000, fold=1, batch=64, copies=True, runs=1, command=["measure"], version="v" * 99, **dict(key, engine="failed"))
file.write(finished=True)
TEXT
rows_of() {
    last="rows.py $*"
    python3 rows.py "$@" > out 2> err
    rc=$?
}

rows_of peers.json fresh 1 2 3 5 6 8 9 11 12 17 40
expect_rc 0
run compare v2 --devices "$device" --fold 1 --batch 4 --slice 0.01 --interval 100 --tune-budget 0 --budget 60 -o ours.json
expect_rc 0
run compare --merge ours.json peers.json --json
expect_rc 0
expect_jq '.machines | length == 1'
expect_jq '[.devices[].id] | length == 2 and any(.[]; . == "cpu")'
expect_jq '[.rows[] | .engine] | unique == ["failed", "foldrun", "other"]'
expect_jq '.rows[] | select(.engine == "failed") | .failed and (.reason | startswith("it broke")) and .visits == []'
expect_jq '[.rows[] | select(.engine == "other") | .check == "right" and (.command | startswith("measure "))] | all'
"$JQ" -c '.rows[] | select(.engine == "other") | [.fold, (.visits | length), .images_per_s]' < out > taken
"$JQ" -c '.rows[] | select(.engine == "other") | [.fold, (.visits | length), .images_per_s]' < peers.json > written
expect_same taken written
check "all of them are there" test "$(wc -l < taken)" = 11

# the same command goes on: what is done is kept, what has few visits and what failed is measured anew
rows_of peers.json on 1 9 40
expect_rc 0
expect_out "there already: 40"
expect_out "there already: 9"
check "one visit is not enough" test "$(grep -c 'there already' out)" = 2
cp peers.json out
expect_jq '[.rows[] | select(.engine == "other")] | length == 11'

# what is something else stays as it is
cp ours.json kept.json
rows_of ours.json on 1
check "it is refused" test "$rc" != 0
expect_err "ours.json is of another machine or another program: name another file, or replace it with --fresh"
expect_same ours.json kept.json
head -c 300 peers.json > cut.json
rows_of cut.json on 1
check "it is refused too" test "$rc" != 0
expect_err "cut.json was not written by rows.py"
finish
