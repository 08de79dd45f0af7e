#!/usr/bin/env bash
# The systemd units are well-formed, and none exposes more than 2.0 as `systemd-analyze security` counts it.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v systemd-analyze >/dev/null; then
    # shellcheck source=tests/setup.sh
    . tests/setup.sh
    need_debian systemd
fi
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
cp services/*/*.service services/*/*.socket "$staged"
# Only their programs are not here.
sed -i 's|^ExecStart=.*|ExecStart=/bin/true|' "$staged"/*.service
complaints=$(systemd-analyze verify --man=no "$staged"/*.service "$staged"/*.socket 2>&1 | grep "$staged" || true)
if [ -n "$complaints" ]; then
    echo "$complaints" >&2
    exit 1
fi
for unit in services/*/*.service; do
    systemd-analyze security --offline=true --threshold=20 "$unit" 2>&1 | tail -1 | sed 's/^[^A-Za-z]*//'
done
