#!/usr/bin/env bash
# checked.sh FOLDRUN COMPUTE_SANITIZER TOOL COMMAND...: the command under one of compute-sanitizer's tools; 77 without a device.
set -u
foldrun=$1 sanitizer=$2 tool=$3
shift 3
if ! "$foldrun" devices 2>&1 | grep -q '^cuda:'; then
    echo "skip: no CUDA device: $("$foldrun" devices 2>&1 | grep 'cuda' | head -n 1)"
    exit 77
fi
exec "$sanitizer" --tool "$tool" --error-exitcode 9 "$@"
