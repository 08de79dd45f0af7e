#!/bin/sh
# Numbers of the store service over real HTTP, release build: PUT of a 700 × 700 frame, the newest twelve, a point series
# of two hours, sustained PUTs, and the memory that the service took; and all that with frames of 7000 × 3500 cells put and
# read, where the memory is what matters.
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
store=
trap 'kill $store 2> /dev/null || true; wait $store 2> /dev/null || true; rm -rf "$folder"' EXIT

# $1: what its numbers of memory are called; then what load is told beside the address.
measured() {
    name=$1
    shift
    RAINCELL_STORE__BIND=127.0.0.1:0 RAINCELL_STORE__DATABASE=$folder/$name.sqlite RAINCELL_STORE__TOKEN=bench-token \
        RAINCELL_LOG=warn "${CARGO_TARGET_DIR:-target}/release/raincell-store" > "$folder/$name" &
    store=$!
    until grep -q listening "$folder/$name"; do sleep 0.1; done
    "$load" --url "$(sed -n 's/^listening on //p' "$folder/$name")" --token bench-token "$@"
    awk -v name="$name" '/^VmHWM/ { printf "%s_memory_peak_mb=%.1f\n", name, $2 / 1024 }
        /^VmRSS/ { printf "%s_memory_mb=%.1f\n", name, $2 / 1024 }' "/proc/$store/status"
    kill $store
    wait $store || true
}

measured store
# Ten frames of 7000 × 3500 cells.
measured store_large --large yes
