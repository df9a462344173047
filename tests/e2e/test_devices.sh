# devices: the reference is always there, and so is the CPU where it was built.
. "${BASH_SOURCE%/*}/lib.sh"

run devices
expect_rc 0
expect_out "ref:0"
[ "$device" = ref ] || expect_out "cpu:0"
run devices --details
expect_rc 0
expect_out "  driver    "
run devices --json
expect_rc 0
expect_jq '.version | test("^[0-9]+\\.[0-9]+\\.[0-9]+$")'
expect_jq '.devices | length > 0'
expect_jq '[.devices[] | has("id") and has("backend") and has("title") and (.available | type == "boolean")] | all'
expect_jq '[.devices[] | select(.available) | (.name | length > 0) and (.driver | length > 0) and .units >= 1 and .memory_bytes > 0
    and (.precisions | index("f32") != null) and (.cache_bytes | length == 3) and (.unified_memory | type == "boolean")] | all'
expect_jq '[.devices[] | select(.available | not) | .why | length > 0] | all'
expect_jq '[.devices[] | select(.id == "ref:0")] | length == 1 and .[0].oracle and (.[0].precisions | index("tf32") != null)'
[ "$device" = ref ] || expect_jq '[.devices[] | select(.id == "cpu:0")] | length == 1 and .[0].kind == "cpu" and (.[0].oracle | not)'

# a folder without backends: nothing is there, and it says so
mkdir empty
FOLDRUN_BACKEND_DIR=$work/empty refuse 3 "" devices
finish
