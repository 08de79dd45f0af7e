#!/bin/bash
# Inside the build, last: takes out what must be every machine's own.
set -euo pipefail
systemctl stop nginx raincell-{alert,api,nowcast,prepare,store}.service raincell-api.socket 2>/dev/null || true
systemctl stop prometheus prometheus-node-exporter 2>/dev/null || true
token=$(cat /etc/raincell/store-token)
sed -i '/TOKEN=/d' /srv/raincell/*/shared/.env
rm -rf /etc/raincell/store-token /etc/raincell/tls/* /etc/ssh/ssh_host_*
rm -rf /var/lib/raincell-*/* /var/lib/prometheus/metrics2/* /var/lib/nginx/raincell
found=$(grep -rlsI "$token" /etc /srv /var /usr/local /root /home || true)
[ -z "$found" ] || { echo "the token is still in $found" >&2; exit 1; }
apt-get clean
rm -rf /tmp/* /var/tmp/* /root/.ansible /home/*/.ansible
# Whoever made the image has no key to the machines.
rm -f "/home/${SUDO_USER:-none}/.ssh/authorized_keys"
# cloud-init, where it is, begins anew on the next machine.
command -v cloud-init >/dev/null && cloud-init clean --logs
: >/etc/machine-id
journalctl --quiet --rotate && journalctl --quiet --vacuum-time=1s
rm -rf /var/log/journal/*
sync
