# shellcheck shell=bash
# A test machine: the base root (an overlay on it, or a copy), booted by systemd-nspawn, reached by SSH. Sourced.

# What a test takes of $TMPDIR at most, and the base root of the cache; in MB.
WORK_ROOM_MB=4500
ROOT_ROOM_MB=1500

# Why systemd-nspawn cannot run here; nothing when it can.
why_no_nspawn() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "not root"
    elif ! command -v apt-get >/dev/null; then
        echo "not Debian"
    elif ! has_room; then
        echo "too little room: $WORK_ROOM_MB MB in ${TMPDIR:-/tmp} and $ROOT_ROOM_MB MB in $RAINCELL_CACHE are wanted"
    elif ! unshare --mount --pid --fork --net true 2>/dev/null; then
        echo "no namespaces (a container without privileges)"
    elif [ ! -d /sys/fs/cgroup ] || ! mountpoint --quiet /sys/fs/cgroup; then
        echo "no cgroups"
    fi
}

has_room() {
    local folder=${TMPDIR:-/tmp} wanted=$WORK_ROOM_MB
    mkdir -p "$RAINCELL_CACHE"
    # Both on one disk?
    [ "$(stat -c %d "$folder")" != "$(stat -c %d "$RAINCELL_CACHE")" ] || wanted=$((WORK_ROOM_MB + ROOT_ROOM_MB))
    [ "$(room_mb "$folder")" -ge "$wanted" ] && [ "$(room_mb "$RAINCELL_CACHE")" -ge "$ROOT_ROOM_MB" ]
}

room_mb() { df --block-size=1M --output=avail "$1" | tail -n 1; }

# A work folder; those whose owner was killed before it could tidy up go.
make_work() {
    local old owner
    for old in "${TMPDIR:-/tmp}"/raincell-{ops,image}-??????; do
        owner=$(cat "$old/owner" 2>/dev/null) || continue
        grep -qs tests/ops "/proc/$owner/cmdline" || drop_work "$old"
    done
    work=$(mktemp -d --tmpdir "raincell-$1-XXXXXX")
    echo $$ >"$work/owner"
}

# Nothing of this machine's is below it any more when it is deleted.
drop_work() {
    local mounted
    while read -r mounted; do
        umount "$mounted" 2>/dev/null || umount --lazy "$mounted" 2>/dev/null || true
    done < <(awk -v below="$1/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | tac)
    ! grep -qs " $1/" /proc/self/mounts && rm -rf --one-file-system "$1"
}

# A program that ends with this shell, however the shell ends. Always with & behind it: $! is the program then.
tied() { exec setpriv --pdeathsig TERM "$@"; }

# $1/root: the base root, to be changed at will.
make_root() {
    mkdir -p "$1"/{upper,work,root}
    mount -t overlay raincell-test -o "lowerdir=$BASE_ROOT,upperdir=$1/upper,workdir=$1/work" "$1/root" 2>/dev/null && return
    # As where / is an overlay itself.
    cp -a "$BASE_ROOT/." "$1/root"
}

# $MACHINE (a folder) gets a root, a key and an address.
make_machine() {
    MACHINE="$1"
    MACHINE_NAME="rc$(($$ % 100000))"
    local net=$(($$ % 250 + 1))
    MACHINE_IP="10.213.$net.2"
    HOST_IP="10.213.$net.1"
    make_root "$MACHINE"
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

# 2 where nspawn gives up by itself before there is a machine: that is this computer's doing.
boot_machine() {
    # Its console stays ours to read; nothing registers with a systemd of this machine, which may have none.
    tied systemd-nspawn --quiet --boot --register=no --keep-unit --network-veth --resolv-conf=off --timezone=off \
        --link-journal=no --console=read-only --machine="$MACHINE_NAME" --directory="$MACHINE/root" \
        >>"$MACHINE/console" 2>&1 </dev/null &
    NSPAWN=$!
    local _try
    local until=$((SECONDS + 300))
    while kill -0 "$NSPAWN" 2>/dev/null && [ $SECONDS -lt $until ]; do
        ip address add "$HOST_IP/24" dev "ve-$MACHINE_NAME" 2>/dev/null && break
        sleep 0.1
    done
    ip link set "ve-$MACHINE_NAME" up 2>/dev/null || true
    while kill -0 "$NSPAWN" 2>/dev/null && [ $SECONDS -lt $until ]; do
        in_machine true 2>/dev/null && return
        sleep 0.2
    done
    if ! kill -0 "$NSPAWN" 2>/dev/null && ! grep -q '^Welcome to' "$MACHINE/console"; then return 2; fi
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
    for _try in $(seq 300); do
        kill -0 "$NSPAWN" 2>/dev/null || break
        sleep 0.1
    done
    # Twice asked it does not wait for anybody.
    kill -TERM "$NSPAWN" 2>/dev/null || true
    wait "$NSPAWN" 2>/dev/null || true
    NSPAWN=
}

# ansible-playbook on the machine: playbook and further arguments.
play() {
    ANSIBLE_CONFIG=ansible/ansible.cfg ANSIBLE_HOST_KEY_CHECKING=false ANSIBLE_NOCOLOR=1 \
        ANSIBLE_SSH_ARGS="-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR" \
        "$OPS_VENV/bin/ansible-playbook" -i "$INVENTORY" --private-key "$MACHINE/key" "ansible/$1" "${@:2}"
}
