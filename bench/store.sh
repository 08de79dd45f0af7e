#!/bin/sh
# Numbers of the store service over real HTTP, release build: PUT of a 700 × 700 frame, the newest twelve, a point series
# of two hours, sustained PUTs, and the memory that the service took.
#
#   bench/store.sh                            starts a store on SQLite in a folder under $TMPDIR
#   bench/store.sh --url URL --token TOKEN    measures a store that runs already, on whatever backend
set -eu
cd "$(dirname "$0")/.."
cargo build --release -q -p raincell-store --bin raincell-store --example load
load=${CARGO_TARGET_DIR:-target}/release/examples/load
if [ $# -gt 0 ]; then
    exec "$load" "$@"
fi

folder=$(mktemp -d)
RAINCELL_STORE__BIND=127.0.0.1:0 RAINCELL_STORE__DATABASE=$folder/store.sqlite RAINCELL_STORE__TOKEN=bench-token \
    RAINCELL_LOG=warn "${CARGO_TARGET_DIR:-target}/release/raincell-store" > "$folder/out" &
store=$!
trap 'kill $store 2> /dev/null || true; wait $store 2> /dev/null || true; rm -rf "$folder"' EXIT
until grep -q listening "$folder/out"; do sleep 0.1; done
"$load" --url "$(sed -n 's/^listening on //p' "$folder/out")" --token bench-token
awk '/^VmHWM/ { printf "store_memory_peak_mb=%.1f\n", $2 / 1024 }
     /^VmRSS/ { printf "store_memory_mb=%.1f\n", $2 / 1024 }' "/proc/$store/status"
