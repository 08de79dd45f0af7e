#!/usr/bin/env bash
# The Packer build, by emulation, from a bare Debian as a disk; then a machine from its image.
#   tests/ops/image.sh BINARIES
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup.sh
. tests/ops/tools.sh
. tests/ops/root.sh
. tests/ops/machine.sh
. tests/ops/releases.sh
. tests/ops/disk.sh

if [ "$(id -u)" -ne 0 ] || [ ! -e /dev/loop-control ]; then
    echo "skipped: no image: a disk is made by root, with a loop device"
    exit 0
fi
binaries=$(realpath "${1:?BINARIES}")
need_ansible
need_machine_tools
need_disk_tools
need_debian packer
need_base_root

work=$(mktemp -d --tmpdir raincell-image-XXXXXX)
# shellcheck disable=SC2317 # by the trap
tidy() {
    stop_disk
    umount "$work/root" 2>/dev/null || true
    rm -rf "$work"
}
trap tidy EXIT
began=$SECONDS
shown() { echo "ok: $* ($((SECONDS - began)) s)"; began=$SECONDS; }

make_releases "$work/releases" "$binaries"
MACHINE="$work"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay raincell-image -o "lowerdir=$BASE_ROOT,upperdir=$work/upper,workdir=$work/work" "$work/root"
let_in "$work/root"
touch "$work/root/var/lib/apt/periodic/update-success-stamp"
make_disk "$work/root" "$work/base.qcow2"
umount "$work/root"
shown "a bare Debian as a disk, and a release"

packer/build --version 1.1.0 --dist "$work/releases" --base "$work/base.qcow2" --key "$work/key" --output "$work/image" \
    --admins "[{\"name\": \"ada\", \"keys\": [\"$(cat "$work/key.pub")\"]}]" --emulate >"$work/packer.log" 2>&1 ||
    { tail -n 60 "$work/packer.log" >&2; exit 1; }
(cd "$work/image" && sha256sum --check --quiet ./*.sha256 && test -s manifest.json)
shown "Packer made an image"

boot_disk "$work/image/raincell-1.1.0.qcow2" "$work/console"
shown "a machine from it boots and answers"

make_scans "$work/demo" 3 "$binaries/raincell" >"$work/scans"
ada=(-q -i "$work/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null)
# shellcheck disable=SC2046 # one file a line
scp "${ada[@]}" -P "$VM_SSH" $(cat "$work/scans") ada@127.0.0.1:/tmp/
ssh "${ada[@]}" -p "$VM_SSH" ada@127.0.0.1 'sudo install -m 0644 /tmp/*.h5 /srv/raincell/incoming/'
for _try in $(seq 240); do
    forecast=$(curl --silent --insecure --max-time 20 "$VM_URL/v1/forecast?lat=52.374&lon=4.8897" || true)
    grep -q '"issue_time":"' <<<"$forecast" && break
    sleep 0.5
done
grep -q '"issue_time":"' <<<"$forecast" || { echo "FAILED: no forecast: $forecast" >&2; exit 1; }
curl --silent --insecure --fail "$VM_URL/" | grep -qi '<html'
shown "scans in, a forecast and the map out"
