# Sourced by the report's tests, with $here their folder.

# rows FILE [VARIABLE=JSON...]: a made-up comparison
rows() {
    local file=$1 given
    local -A of=([machines]='["m1"]' [devices]='["cpu:0", "opencl:0"]' [models]='["v1", "n4"]' [folds]='[1, 2, 4]'
        [batches]='[256, 1024]' [extras]=true)
    shift
    for given in "$@"; do of[${given%%=*}]=${given#*=}; done
    local -a args=()
    for given in "${!of[@]}"; do args+=(--argjson "$given" "${of[$given]}"); done
    for given in cpu opencl vulkan; do args+=(--slurpfile "$given" "$here/../golden/profiles/$given.json"); done
    "$JQ" -n -f "$here/report_rows.jq" "${args[@]}" > "$file"
}
