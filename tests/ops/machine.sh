# shellcheck shell=bash
# A test machine: an overlay on the base root, booted by systemd-nspawn, reached by SSH. Sourced.

# Why systemd-nspawn cannot run here; nothing when it can.
why_no_nspawn() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "not root"
    elif ! command -v apt-get >/dev/null; then
        echo "not Debian"
    elif ! overlay_works; then
        echo "no overlay file system here (inside a container?)"
    elif ! unshare --mount --pid --fork --net true 2>/dev/null; then
        echo "no namespaces (a container without privileges)"
    elif [ ! -d /sys/fs/cgroup ] || ! mountpoint --quiet /sys/fs/cgroup; then
        echo "no cgroups"
    fi
}

overlay_works() {
    local folder works=1
    folder=$(mktemp -d)
    mkdir "$folder"/{lower,upper,work,root}
    if mount -t overlay raincell-test -o "lowerdir=$folder/lower,upperdir=$folder/upper,workdir=$folder/work" "$folder/root" 2>/dev/null; then
        umount "$folder/root" && works=0
    fi
    rm -rf "$folder"
    return $works
}

# $MACHINE (a folder) gets an overlay, a key and an address.
make_machine() {
    MACHINE="$1"
    MACHINE_NAME="rc$(($$ % 100000))"
    local net=$(($$ % 250 + 1))
    MACHINE_IP="10.213.$net.2"
    HOST_IP="10.213.$net.1"
    mkdir -p "$MACHINE"/{upper,work,root}
    mount -t overlay raincell-test -o "lowerdir=$BASE_ROOT,upperdir=$MACHINE/upper,workdir=$MACHINE/work" "$MACHINE/root"
    [ -f "$MACHINE/key" ] || ssh-keygen -q -t ed25519 -N '' -f "$MACHINE/key"
    let_in "$MACHINE/root"
    # The lists are as old as the root, and there is no network to get newer ones.
    touch "$MACHINE/root/var/lib/apt/periodic/update-success-stamp"
    printf '[Match]\nName=host0\n[Network]\nAddress=%s/24\nLinkLocalAddressing=no\n' "$MACHINE_IP" \
        >"$MACHINE/root/etc/systemd/network/10-host0.network"
    SSH=(ssh -q -i "$MACHINE/key" -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=2
        -o ControlMaster=auto -o "ControlPath=$MACHINE/ssh" -o ControlPersist=60)
    printf 'raincell:\n  hosts:\n    machine:\n      ansible_host: %s\n      ansible_user: debian\n' "$MACHINE_IP" \
        >"$MACHINE/hosts.yml"
}

# A key, host keys, and an address by DHCP where it is a real machine.
let_in() {
    local root="$1"
    mkdir -p "$root/home/debian/.ssh"
    cp "$MACHINE/key.pub" "$root/home/debian/.ssh/authorized_keys"
    chroot "$root" chown -R debian:debian /home/debian/.ssh
    chroot "$root" ssh-keygen -A >/dev/null
    printf '[Match]\nName=en* eth*\n[Network]\nDHCP=yes\n' >"$root/etc/systemd/network/20-wired.network"
}

boot_machine() {
    # Its console stays ours to read; nothing registers with a systemd of this machine, which may have none.
    systemd-nspawn --quiet --boot --register=no --keep-unit --network-veth --resolv-conf=off --timezone=off \
        --link-journal=no --console=read-only --machine="$MACHINE_NAME" --directory="$MACHINE/root" \
        >>"$MACHINE/console" 2>&1 </dev/null &
    NSPAWN=$!
    local _try
    for _try in $(seq 100); do
        ip address add "$HOST_IP/24" dev "ve-$MACHINE_NAME" 2>/dev/null && break
        sleep 0.1
    done
    ip link set "ve-$MACHINE_NAME" up
    for _try in $(seq 150); do
        in_machine true 2>/dev/null && return
        kill -0 "$NSPAWN" 2>/dev/null || break
        sleep 0.2
    done
    echo "the machine does not boot:" >&2
    tail -n 20 "$MACHINE/console" >&2
    return 1
}

in_machine() { "${SSH[@]}" "debian@$MACHINE_IP" "$@"; }

# As root, with a script on standard input.
as_root() { in_machine sudo bash -euo pipefail -s; }

stop_machine() {
    [ -n "${NSPAWN:-}" ] || return 0
    "${SSH[@]}" -O exit "debian@$MACHINE_IP" 2>/dev/null || true
    kill -TERM "$NSPAWN" 2>/dev/null || true
    local _try
    for _try in $(seq 100); do
        kill -0 "$NSPAWN" 2>/dev/null || break
        sleep 0.1
    done
    # Twice asked it does not wait for anybody.
    kill -TERM "$NSPAWN" 2>/dev/null || true
    wait "$NSPAWN" 2>/dev/null || true
    NSPAWN=
}

drop_machine() {
    [ -n "${MACHINE:-}" ] || return 0
    stop_machine
    umount "$MACHINE/root" 2>/dev/null || umount --lazy "$MACHINE/root" 2>/dev/null || true
    rm -rf "$MACHINE"
}

# ansible-playbook on the machine: playbook and further arguments.
play() {
    ANSIBLE_CONFIG=ansible/ansible.cfg ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_NOCOLOR=1 \
        ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR" \
        "$OPS_VENV/bin/ansible-playbook" -i "$INVENTORY" --private-key "$MACHINE/key" "ansible/$1" "${@:2}"
}
