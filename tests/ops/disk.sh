# shellcheck shell=bash
# A root as a disk that a real machine boots from, and a machine of qemu that does. Sourced after machine.sh.

# ROOT → FILE.qcow2: MBR, one ext4 partition, extlinux.
make_disk() {
    local root="$1" disk="$2" raw loop mounted kernel version
    raw="$disk.raw" mounted=$(mktemp -d)
    truncate --size=6G "$raw"
    echo '2048,,L,*' | sfdisk --quiet "$raw"
    dd if=/usr/lib/syslinux/mbr/mbr.bin of="$raw" conv=notrunc status=none
    loop=$(losetup --show --find --offset 1048576 "$raw")
    # extlinux knows neither of these features.
    mkfs.ext4 -q -L root -O ^64bit,^metadata_csum -E lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$loop"
    mount "$loop" "$mounted"
    kernel=$(find "$mounted/boot" -name 'vmlinuz-*' -printf '%f\n' | sort -V | tail -n 1)
    version=${kernel#vmlinuz-}
    mkdir -p "$mounted/boot/extlinux"
    cat >"$mounted/boot/extlinux/extlinux.conf" <<CONF
DEFAULT linux
LABEL linux
  KERNEL /boot/vmlinuz-$version
  INITRD /boot/initrd.img-$version
  APPEND root=LABEL=root rw console=tty0 console=ttyS0 quiet
CONF
    echo 'LABEL=root / ext4 defaults,errors=remount-ro 0 1' >"$mounted/etc/fstab"
    extlinux --install "$mounted/boot/extlinux" >/dev/null 2>&1
    umount "$mounted"
    losetup --detach "$loop"
    qemu-img convert -O qcow2 "$raw" "$disk"
    rm -f "$raw"
    rmdir "$mounted"
}

# Boots FILE in qemu; its HTTPS is at $VM_URL, its SSH at port $VM_SSH. By emulation (TCG): /dev/kvm may be there and not work.
boot_disk() {
    local disk="$1" console="$2" https
    https=$(free_port)
    VM_SSH=$(free_port)
    VM_URL="https://127.0.0.1:$https"
    qemu-system-x86_64 -accel tcg,tb-size=512 -cpu qemu64 -smp 1 -m 2048 -nographic -serial "file:$console" -monitor none \
        -drive "file=$disk,if=virtio,snapshot=on" -device virtio-rng-pci \
        -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$https-:443,hostfwd=tcp:127.0.0.1:$VM_SSH-:22" \
        -device virtio-net-pci,netdev=net </dev/null >/dev/null 2>&1 &
    VM=$!
    local _try
    for _try in $(seq 1200); do
        curl --silent --fail --insecure --max-time 5 --output /dev/null "$VM_URL/ready" && return
        kill -0 "$VM" 2>/dev/null || break
        sleep 0.5
    done
    echo "the machine does not answer:" >&2
    tail -n 30 "$console" >&2
    return 1
}

stop_disk() {
    [ -n "${VM:-}" ] || return 0
    kill "$VM" 2>/dev/null || true
    wait "$VM" 2>/dev/null || true
    VM=
}
