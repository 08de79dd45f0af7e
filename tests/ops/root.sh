# shellcheck shell=bash
# A Debian 12 root that boots, kept in $RAINCELL_CACHE: what a fresh cloud image is, with the packages of the playbook
# downloaded but not installed, so that a test installs them without the network. Sourced.

# Where Debian comes from on this machine; a sources.list on standard output.
debian_sources() {
    # Without lists apt cannot tell whose they are.
    [ -n "$(listed_sources)" ] || apt-get update -qq >&2
    listed_sources
}

listed_sources() {
    # shellcheck disable=SC2016 # apt's own words
    apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI) $(COMPONENT)' 'Created-By: Packages' |
        sort -u | awk '$1 == "Debian" && $2 ~ /^bookworm(-updates|-security)?$/ { print "deb", $3, $2, $4 }'
}

# What the roles install, read from their defaults.
role_packages() {
    "$OPS_VENV/bin/python" - ansible/roles/*/defaults/main.yml <<'PYTHON'
import sys, yaml
for path in sys.argv[1:]:
    for name, value in (yaml.safe_load(open(path)) or {}).items():
        if name.endswith("_packages"):
            print("\n".join(value))
PYTHON
}

# Makes $BASE_ROOT where it is missing or of last week. (Another number in `wanted` makes it anew for everybody.)
need_base_root() {
    local wanted packages sources list log apt
    packages=$(role_packages | sort -u | tr '\n' ' ')
    sources=$(debian_sources)
    [ -n "$sources" ] || { echo "apt of this machine has no Debian 12 to make a root from" >&2; return 1; }
    wanted=$(printf '%s\n' 1 "$packages" "$sources" "$(date +%G-%V)" | cksum | tr -d ' ')
    BASE_ROOT="$RAINCELL_CACHE/ops/root-$wanted"
    [ -d "$BASE_ROOT" ] && return
    echo "making a Debian root" >&2
    mkdir -p "$RAINCELL_CACHE/ops"
    rm -rf "$RAINCELL_CACHE"/ops/root-*
    list="$RAINCELL_CACHE/ops/sources.list" log="$RAINCELL_CACHE/ops/root.log" apt="$RAINCELL_CACHE/ops/apt.conf"
    printf '%s\n' "$sources" >"$list"
    # The way out of this machine, such as a proxy; the root gets it while it is made.
    apt-config dump --no-empty --format '%f "%v";%n' Acquire::http Acquire::https >"$apt"
    # minbase and what a cloud image has besides: systemd, ssh, sudo, Python, a kernel for a real VM.
    # shellcheck disable=SC2016 # the hooks are for mmdebstrap's shell
    mmdebstrap --quiet --variant=minbase --skip=cleanup/apt \
        --include=systemd,systemd-sysv,dbus,openssh-server,sudo,python3,python3-apt,iproute2,linux-image-cloud-amd64,kmod,udev,zstd \
        --dpkgopt=force-unsafe-io \
        --aptopt='Acquire::Languages "none"' --aptopt="$apt" \
        --customize-hook='echo raincell-test >"$1/etc/hostname"' \
        --customize-hook='printf "127.0.0.1 localhost raincell-test\n::1 localhost\n" >"$1/etc/hosts"' \
        --customize-hook='chroot "$1" useradd --create-home --shell /bin/bash debian' \
        --customize-hook='echo "debian ALL=(ALL) NOPASSWD:ALL" >"$1/etc/sudoers.d/debian"' \
        --customize-hook='rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/machine-id"; : >"$1/etc/machine-id"' \
        --customize-hook='chroot "$1" systemctl --quiet enable systemd-networkd' \
        --customize-hook="chroot \"\$1\" apt-get install --yes --quiet --download-only --no-install-recommends $packages" \
        --customize-hook='mkdir -p "$1/var/lib/apt/periodic"; touch "$1/var/lib/apt/periodic/update-success-stamp"' \
        bookworm "$BASE_ROOT.part" "$list" >"$log" 2>&1 || { tail -n 30 "$log" >&2; return 1; }
    mv "$BASE_ROOT.part" "$BASE_ROOT"
}
