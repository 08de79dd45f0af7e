# shellcheck shell=bash
# A root as a disk that a real machine boots from, and a machine of qemu that does. Sourced after machine.sh.

# Why no disk can be made here; nothing when one can.
why_no_disk() {
    if [ ! -e /dev/loop-control ]; then
        echo "no loop device to make a disk with"
    elif ! losetup --find >/dev/null 2>&1; then
        echo "no loop device is free, or may be used"
    fi
}

# ROOT → FILE, a raw disk with holes: MBR, one ext4 partition, extlinux.
make_disk() {
    local root="$1" disk="$2" mounted kernel version
    mounted="$disk.mounted"
    mkdir "$mounted"
    truncate --size=6G "$disk"
    echo '2048,,L,*' | sfdisk --quiet "$disk"
    dd if=/usr/lib/syslinux/mbr/mbr.bin of="$disk" conv=notrunc status=none
    # extlinux knows neither of these features. The size is what the first MB leaves.
    mkfs.ext4 -q -L root -O ^64bit,^metadata_csum -E offset=1048576,lazy_itable_init=1,lazy_journal_init=1 -d "$root" "$disk" 6143M
    # The loop device goes with its mount.
    mount -o loop,offset=1048576 "$disk" "$mounted"
    kernel=$(find "$mounted/boot" -name 'vmlinuz-*' -printf '%f\n' | sort -V | tail -n 1)
    version=${kernel#vmlinuz-}
    mkdir -p "$mounted/boot/extlinux"
    # On a busy computer an emulated timer may be too late for the kernel's check of it.
    cat >"$mounted/boot/extlinux/extlinux.conf" <<CONF
DEFAULT linux
LABEL linux
  KERNEL /boot/vmlinuz-$version
  INITRD /boot/initrd.img-$version
  APPEND root=LABEL=root rw console=tty0 console=ttyS0 quiet no_timer_check panic=5
CONF
    echo 'LABEL=root / ext4 defaults,errors=remount-ro 0 1' >"$mounted/etc/fstab"
    extlinux --install "$mounted/boot/extlinux" >/dev/null 2>&1
    umount "$mounted"
    rmdir "$mounted"
}

# Ports of this computer for the machine in qemu: its HTTPS is at $VM_URL, its SSH at port $VM_SSH.
choose_ports() {
    VM_HTTPS=$(free_port)
    VM_SSH=$(free_port)
    VM_URL="https://127.0.0.1:$VM_HTTPS"
}

# Boots FILE, a raw disk, in qemu. By emulation (TCG): /dev/kvm may be there and not work.
boot_disk() {
    local disk="$1" console="$2"
    choose_ports
    tied qemu-system-x86_64 -accel tcg,tb-size=512 -cpu qemu64 -smp 1 -m 2048 -nographic -serial "file:$console" -monitor none \
        -drive "file=$disk,format=raw,if=virtio,snapshot=on" -device virtio-rng-pci \
        -netdev "user,id=net,hostfwd=tcp:127.0.0.1:$VM_HTTPS-:443,hostfwd=tcp:127.0.0.1:$VM_SSH-:22" \
        -device virtio-net-pci,netdev=net </dev/null >/dev/null 2>&1 &
    VM=$!
    until_it_answers "$1" 1200 "$console"
}

# NAME SECONDS LOG: until $VM answers, or has ended, or the time is over.
until_it_answers() {
    local until=$((SECONDS + $2))
    while kill -0 "$VM" 2>/dev/null && [ $SECONDS -lt $until ]; do
        curl --silent --fail --insecure --max-time 20 --output /dev/null "$VM_URL/ready" && return
        sleep 0.5
    done
    echo "$1 does not answer:" >&2
    tail -n 60 "$3" >&2
    return 1
}

stop_disk() {
    [ -n "${VM:-}" ] || return 0
    kill "$VM" 2>/dev/null || true
    wait "$VM" 2>/dev/null || true
    VM=
}
