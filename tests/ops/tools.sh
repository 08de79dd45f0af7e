# shellcheck shell=bash
# The tools that check and build the machine, installed where they are missing. Sourced after tests/setup.sh.

# ansible, ansible-lint, yamllint: outside the clone. ansible-playbook is on the PATH then, as Packer wants it.
need_ansible() {
    OPS_VENV="$RAINCELL_CACHE/ops/venv"
    local wanted=(ansible-core==2.19.14 ansible-lint==26.10.1 yamllint==1.38.0)
    need_venv ops/venv "${wanted[*]}" "${wanted[@]}"
    export PATH="$OPS_VENV/bin:$PATH"
}

# What makes a root and a disk, and boots them.
need_machine_tools() {
    need_debian mmdebstrap systemd-container openssh-client iproute2 curl openssl
}

need_disk_tools() {
    need_debian qemu-system-x86 qemu-utils extlinux syslinux-common fdisk e2fsprogs
}
