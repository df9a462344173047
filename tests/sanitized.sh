#!/usr/bin/env bash
# sanitized.sh COMMAND...: runs a test under the address sanitizer. When all of it is done and the leak checker itself crashes,
# which it does now and then while threads of a driver's library are ending, the test runs again, twice at most. Leaks that it
# finds, and everything else, fail as ever.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for _ in 1 2 3; do
  "$@" >"$log" 2>&1
  status=$?
  cat "$log"
  [ $status -ne 0 ] && grep -q '^==[0-9]*==LeakSanitizer has encountered a fatal error' "$log" || exit "$status"
  echo "The leak checker crashed by itself: once more."
done
exit "$status"
