#!/usr/bin/env bash
# pysteps and raincell on the same rain, in the same run, on this machine: speed ratios, and skill beside each other.
#
#   bench/pysteps.sh                    one event of $RAINCELL_TEST_DATA or ../shared/data, else simulated rain
#   bench/pysteps.sh --events all       all of them; --starts N, --members N (0: no ensemble)
#   bench/pysteps.sh --update           also writes the tables into README.md
set -euo pipefail
cd "$(dirname "$0")/.."
. tests/setup.sh
need_peer_venv
cargo build --release --quiet -p raincell-nowcasts --example bench_run
exec "$RAINCELL_TEST_PEERS" bench/beside_pysteps.py "$@"
