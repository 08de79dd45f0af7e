#!/usr/bin/env bash
# The Packer build, by emulation, from a bare Debian as a disk; then a machine from its image.
#   [RAINCELL_TEST_PICTURES=DIR] tests/ops/image.sh BINARIES     DIR gets a picture of its map
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup.sh
. tests/ops/tools.sh
. tests/ops/root.sh
. tests/ops/machine.sh
. tests/ops/releases.sh
. tests/ops/disk.sh

why=$(why_no_nspawn)
[ -n "$why" ] || why=$(why_no_disk)
if [ -n "$why" ]; then
    echo "skipped: no image: $why"
    exit 0
fi
binaries=$(realpath "${1:?BINARIES}")
need_ansible
need_machine_tools
need_disk_tools
need_debian packer
need_base_root
need_node
need_chromium

make_work image
# shellcheck disable=SC2317 # by the trap
tidy() {
    stop_disk
    drop_work "$work"
}
trap tidy EXIT
began=$SECONDS
shown() { echo "ok: $* ($((SECONDS - began)) s)"; began=$SECONDS; }

make_releases "$work/releases" "$binaries"
MACHINE="$work"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
make_root "$work"
let_in "$work/root"
touch "$work/root/var/lib/apt/periodic/update-success-stamp"
make_disk "$work/root" "$work/base.raw"
qemu-img convert -O qcow2 "$work/base.raw" "$work/base.qcow2"
rm "$work/base.raw"
shown "a bare Debian as a disk, and a release"

# The one command of the documentation.
choose_ports
RAINCELL_PORT=$VM_HTTPS RAINCELL_SSH_PORT=$VM_SSH PACKER_CACHE_DIR="$work/cache" tied packer/boot --emulate --output "$work/image" \
    --version 1.1.0 --dist "$work/releases" --base "$work/base.qcow2" --key "$work/key" \
    --admins "[{\"name\": \"ada\", \"keys\": [\"$(cat "$work/key.pub")\"]}]" >"$work/packer.log" 2>&1 </dev/null &
VM=$!
while kill -0 "$VM" 2>/dev/null && [ "$(cat "/proc/$VM/comm")" != qemu-system-x86 ]; do sleep 1; done
kill -0 "$VM" 2>/dev/null || { tail -n 60 "$work/packer.log" >&2; exit 1; }
rm "$work/base.qcow2"
(cd "$work/image" && sha256sum --check --quiet ./*.sha256 && test -s manifest.json)
shown "Packer made an image"

until_it_answers "the machine from the image" 1200 "$work/packer.log"
shown "a machine from it boots and answers"

make_scans "$work/demo" 3 "$binaries/raincell" >"$work/scans"
ada=(-q -i "$work/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
# shellcheck disable=SC2046 # one file a line
scp "${ada[@]}" -P "$VM_SSH" $(cat "$work/scans") ada@127.0.0.1:/tmp/
ssh "${ada[@]}" -p "$VM_SSH" ada@127.0.0.1 'sudo install -m 0644 /tmp/*.h5 /srv/raincell/incoming/'
forecast='' until=$((SECONDS + 1200))
while [ $SECONDS -lt $until ]; do
    forecast=$(curl --silent --insecure --max-time 60 "$VM_URL/v1/forecast?lat=52.374&lon=4.8897" || true)
    grep -q '"issue_time":"' <<<"$forecast" && break
    sleep 0.5
done
grep -q '"issue_time":"' <<<"$forecast" || { echo "FAILED: no forecast: $forecast" >&2; exit 1; }
shown "scans in, a forecast out"

(cd tests/web && timeout 1800 node look.mjs "$VM_URL/" "$work/map.png")
[ -z "${RAINCELL_TEST_PICTURES:-}" ] || cp "$work/map.png" "$RAINCELL_TEST_PICTURES/map-of-the-image.png"
shown "the map in a browser"
