#!/usr/bin/env bash
# sanitized.sh COMMAND...: runs a test under the address sanitizer. The sanitizer's own account of the threads' dynamic TLS stays
# off: it takes a block that lies 16 bytes into a page for one of the loader's, reads its own heap's header as the block's bounds
# and crashes in the leak check. The blocks are found without it, from the threads' tables of them.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}intercept_tls_get_addr=0"
exec "$@"
