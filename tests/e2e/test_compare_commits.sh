# bench/compare-commits: what it makes of two commits whose rates are known. Nothing is timed: the commands are stubs.
tool=$(realpath "${BASH_SOURCE%/*}/../../bench/compare-commits")
. "${BASH_SOURCE%/*}/lib.sh"
for program in git cmake ninja; do
    command -v $program > /dev/null || skip "$program is not installed"
done
export GIT_CEILING_DIRECTORIES=$work GIT_CONFIG_GLOBAL=/dev/null

# A repository whose build is a script. Rates count on, a run each, so that they spread a little and drift together.
mkdir -p repository/bench
cp "$tool" repository/bench/
cat > repository/CMakeLists.txt << 'TEXT'
cmake_minimum_required(VERSION 3.25)
project(stub LANGUAGES NONE)
configure_file(foldrun ${PROJECT_BINARY_DIR}/foldrun COPYONLY)
TEXT
stub() { # stub PERCENT_OF_N1
    cat > repository/foldrun << TEXT
#!/bin/bash
[ "\$1 \$3 \$5 \$7 \$9" = "bench --device --fold --batch --precision" ] || exit 2
[ "\$2" != slow ] || { touch begun; sleep 60; }
[ "\$2" != v9 ] || { echo "foldrun: no model is called v9" >&2; exit 5; }
[ "\$2\$6" != n14 ] || [ $1 = 100 ] || { echo "foldrun: out of order" >&2; exit 1; }
[ -d "\$FOLDRUN_CACHE_DIR" ] || exit 2
count=\$(cat "\$FOLDRUN_CACHE_DIR/count" 2>/dev/null || echo 0)
echo \$((count + 1)) >"\$FOLDRUN_CACHE_DIR/count"
percent=100
[ "\$2" != n1 ] || percent=$1
echo "{\"results\": [{\"images_per_s\": {\"median\": \$(((1000 + count + count % 3 * 4) * percent))}}]}"
TEXT
    chmod +x repository/foldrun
    git -C repository add . && git -C repository -c user.name=n -c user.email=e@example.org commit --quiet -m "$1"
}
git init --quiet repository 2> err || skip "git makes no repository here: $(head -n 1 err)"
stub 100
stub 80

commits() { # commits ARGS...: the tool's answer in out, err and rc
    last="compare-commits $*"
    TMPDIR=$work repository/bench/compare-commits "$@" > out 2> err < /dev/null
    rc=$?
}

commits --help
expect_rc 0
expect_out "usage: bench/compare-commits A B"
expect_out "examples:"
commits HEAD
expect_rc 2
expect_err "two commits are compared"
commits HEAD HEAD --rounds many
expect_rc 2
commits HEAD HEAD --sideways
expect_rc 2
expect_err "unknown option '--sideways'"
commits HEAD nowhere
expect_rc 2
expect_err "'nowhere' is neither a commit nor a foldrun command"
check "nothing is built before both are known" test "$(wc -l < err)" = 1
for nonsense in "--models ,v1" "--devices CPU" "--folds 1,zero" "--batches 0" "--precisions f31" "--rounds 5,6" "--duration soon" "--tune-budget -1"; do
    # shellcheck disable=SC2086 # an option and its value
    commits HEAD~1 HEAD $nonsense
    expect_rc 2
    expect_err "${nonsense%% *}: '"
done
commits HEAD~1 HEAD --out repository/foldrun
expect_rc 1
expect_err "nothing can be written into 'repository/foldrun'"

commits HEAD~1 HEAD --models v1,n1 --folds 1 --batches 64 --out kept
expect_rc 0
expect_out "| n1 | cpu | 1 | 0.8"
expect_out "| slower |"
cp kept/ratios.json out
expect_jq '[.models[] | [.model, .verdict]] == [["n1", "slower"], ["v1", "no difference"]]'
expect_jq 'all(.models[]; .low <= .ratio and .ratio <= .high and .rounds == 9)'
expect_jq '.models[0].ratio > 0.79 and .models[0].ratio < 0.81 and .models[0].high < 0.82'
expect_jq '.configurations | length == 2 and all(.[]; .a > 0 and .b > 0)'
check "every measurement is kept: two sides, two models, nine rounds and the first one" test "$(wc -l < kept/results.jsonl)" = 40
check "the worktrees are gone" test "$(git -C repository worktree list | wc -l)" = 1
check "nothing is left in the temporary folder" test -z "$(find . -maxdepth 1 -name 'compare-commits-*')"

# what fails with one of them has no ratio; few rounds say nothing
commits HEAD~1 HEAD --models n1,v1 --folds 1,4 --rounds 5 --out kept
expect_rc 0
expect_err "failed: b n1 cpu 4 1024 f32 (foldrun: out of order)"
expect_out "| not measured |"
cp kept/ratios.json out
expect_jq '[.models[] | [.model, .configurations, .verdict]] == [["n1", 1, "too few rounds"], ["v1", 2, "too few rounds"]]'
commits HEAD~1 HEAD --models v9
expect_rc 1
expect_err "nothing could be measured with both"

# Ctrl-C while a configuration is measured: it goes to all that run, and leaves nothing behind
last="compare-commits, interrupted"
TMPDIR=$work env --default-signal=INT setsid repository/bench/compare-commits HEAD~1 HEAD --models slow --out kept > out 2> err < /dev/null &
job=$!
for ((i = 0; i < 1200; i++)); do
    [ ! -e begun ] || break
    sleep 0.05
done
check "it has begun" test -e begun
kill -INT -- "-$job"
wait "$job"
rc=$?
expect_rc 130
expect_err "interrupted"
check "the worktrees are gone after it too" test "$(git -C repository worktree list | wc -l)" = 1
check "and so is the temporary folder" test -z "$(find . -maxdepth 1 -name 'compare-commits-*')"

# a commit that does not build, and a command that is built already
cp repository/foldrun built
commits HEAD ./built --models v1 --folds 1 --rounds 6
expect_rc 0
expect_out "| v1 | cpu | 1 | 1"
rm repository/foldrun
git -C repository -c user.name=n -c user.email=e@example.org commit --quiet -am broken
commits HEAD~1 HEAD --models v1
expect_rc 1
expect_err "'HEAD' does not build"
finish
