# The same binary on processors that lack this machine's instructions, emulated: from SSE2 alone up to AVX2.
. "${BASH_SOURCE%/*}/lib.sh"
[ "${WITH_CPU:-ON}" = ON ] || skip "this build has no CPU backend"
[ "$(uname -m)" = x86_64 ] || skip "not an x86-64 machine"
emulator=$(command -v qemu-x86_64) || skip "qemu-x86_64 is not installed: apt-get install qemu-user"

for i in 1 2 3; do ppm "f$i.ppm" 22 52 "$i"; done
images=(--input f1.ppm f2.ppm f3.ppm --top 11)
run run v1 "${images[@]}" --device ref --quiet
expect_rc 0
sort_rows out > wanted

command=$FOLDRUN
cat > emulated << SH
#!/bin/sh
exec "$emulator" -cpu "\$PROCESSOR" "$command" "\$@"
SH
chmod +x emulated
FOLDRUN=$work/emulated
while read -r PROCESSOR words tuning; do
    export PROCESSOR FOLDRUN_CACHE_DIR="$work/cache-$PROCESSOR"
    run devices --json
    expect_rc 0
    expect_jq "[.devices[] | select(.backend == \"cpu\")] | length == 1 and (tostring | contains(\"$words\"))"
    run run v1 "${images[@]}" --device cpu --tuning "$tuning" --quiet
    expect_rc 0
    sort_rows out > got
    check "answers on $PROCESSOR agree with the reference's" near wanted got 0.002
done << 'LIST'
qemu64 generic off
Nehalem sse41 off
Haswell avx2 fresh
LIST
finish
