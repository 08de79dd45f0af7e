#!/usr/bin/env bash
# The playbook on a Debian 12 that systemd runs (systemd-nspawn): from bare to a forecast through nginx, then what can
# go wrong in its life. Timings are printed, not judged.
#   tests/ops/nspawn.sh BINARIES    a folder with raincell and the five services, any build
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup.sh
. tests/ops/tools.sh
. tests/ops/root.sh
. tests/ops/machine.sh
. tests/ops/releases.sh
. tests/ops/disk.sh

why=$(why_no_nspawn)
if [ -n "$why" ]; then
    echo "skipped: no systemd-nspawn here: $why"
    exit 0
fi
binaries=$(realpath "${1:?BINARIES}")
need_ansible
need_machine_tools
need_disk_tools
need_base_root
need_cloud_servers

make_work ops
LOAD='' S3=''
# shellcheck disable=SC2317 # by the trap
tidy() {
    local code=$?
    [ -z "$LOAD" ] || kill "$LOAD" 2>/dev/null || true
    [ -z "$S3" ] || kill "$S3" 2>/dev/null || true
    if [ $code -ne 0 ] && [ -n "${NSPAWN:-}" ]; then
        echo "the machine's last words:" >&2
        in_machine sudo journalctl --no-pager --lines=40 --priority=warning >&2 || true
    fi
    stop_disk
    stop_machine
    drop_work "$work"
}
trap tidy EXIT

fail() { echo "FAILED: $*" >&2; exit 1; }
# A line on what was shown, and the seconds since the last one.
began=$SECONDS
shown() { echo "ok: $* ($((SECONDS - began)) s)"; began=$SECONDS; }

# The playbook, quietly; with all it said where it fails.
playbook() {
    play "$@" --extra-vars "raincell_dist=$RELEASES" >"$work/play.log" 2>&1 || { cat "$work/play.log" >&2; return 1; }
}
ask() { curl --silent --show-error --fail --insecure --max-time 20 "${VM_URL:-https://$MACHINE_IP}$1"; }

start_load() {
    tied python3 tests/ops/load.py "https://$MACHINE_IP/v1/forecast?lat=52.374&lon=4.8897" "https://$MACHINE_IP/v1/frames" \
        "https://$MACHINE_IP/health" "https://$MACHINE_IP/" >"$work/load.log" &
    LOAD=$!
    sleep 1
}
stop_load() {
    kill -TERM "$LOAD"
    if ! wait "$LOAD"; then
        cat "$work/load.log" >&2
        fail "requests failed while $1"
    fi
    LOAD=
    tail -n 1 "$work/load.log"
}

make_scans "$work/demo" 6 "$binaries/raincell" >"$work/scans" &
scans=$!
make_releases "$work/releases" "$binaries"
make_machine "$work/machine"
# The single-box inventory, with this machine's address; and a secret to look for afterwards.
cp -r ansible/inventories/single-box "$work/inventory"
cp "$MACHINE/hosts.yml" "$work/inventory/hosts.yml"
secret="SECRET-$(openssl rand -hex 12)"
{
    printf 'raincell_env:\n  alert: { RAINCELL_ALERT__NTFY__TOKEN: %s }\n' "$secret"
    printf '  archive: { AWS_ACCESS_KEY_ID: test, AWS_SECRET_ACCESS_KEY: %s }\n' "$secret"
    s3="http://$HOST_IP:$(free_port)"
    printf 'raincell_archive_to: s3://archive\nraincell_archive_endpoint: %s\n' "$s3"
    # This computer may be slow.
    echo 'raincell_ready_seconds: 120'
} >>"$work/inventory/group_vars/raincell.yml"
INVENTORY="$work/inventory"
shown "releases and an empty machine"

boot_machine || {
    [ $? -eq 2 ] || exit 1
    echo "skipped: systemd-nspawn gives up on this computer: $(tail -n 1 "$MACHINE/console")"
    exit 0
}
shown "boot, SSH answers"

playbook site.yml --extra-vars raincell_version=1.0.0
shown "playbook on a bare Debian"

as_root <<'SHELL'
for service in store:8081 prepare:8082 nowcast:8083 api:8080 alert:8084; do
    curl --silent --fail --max-time 5 --output /dev/null "http://127.0.0.1:${service#*:}/ready" || { echo "$service is not ready"; exit 1; }
done
failed=$(systemctl --failed --plain --no-legend)
[ -z "$failed" ] || { echo "$failed"; exit 1; }
SHELL
ask /ready >/dev/null
ask /metrics >/dev/null 2>&1 && fail "nginx shows /metrics to anybody"
curl --silent --max-time 2 --output /dev/null "http://$MACHINE_IP:8080/ready" && fail "the firewall lets port 8080 through"
shown "five services ready, the api through nginx with TLS, nothing else open"

playbook site.yml --extra-vars raincell_version=1.0.0
grep -q 'changed=0 .*failed=0' "$work/play.log" || { grep '^changed' -B2 "$work/play.log" >&2; fail "a second run changes something"; }
shown "second run: changed=0"

as_root <<'SHELL' || fail "a unit exposes more than 2.0"
for service in store prepare nowcast api alert; do
    systemd-analyze security --no-pager --threshold=20 "raincell-$service" >/tmp/security || { tail -n 1 /tmp/security; exit 1; }
    tail -n 1 /tmp/security | sed 's/^[^O]*Overall/Overall/'
done
SHELL
shown "systemd-analyze security is at most 2.0"

wait "$scans"
# shellcheck disable=SC2046 # one file a line
scp -q "${SSH[@]:2}" $(cat "$work/scans") "debian@$MACHINE_IP:/tmp/"
echo 'install -m 0644 /tmp/*.h5 /srv/raincell/incoming/' | as_root
forecast='' until=$((SECONDS + 600))
while [ $SECONDS -lt $until ]; do
    forecast=$(ask '/v1/forecast?lat=52.374&lon=4.8897' || true)
    grep -q '"issue_time":"' <<<"$forecast" && break
    sleep 0.2
done
grep -q '"issue_time":"' <<<"$forecast" || fail "no forecast from the scans: $forecast"
ask / | grep -qi '<html' || fail "no page at /"
shown "scans in, a forecast out"

# The secret is where it belongs and nowhere else.
as_root <<SHELL || fail "a secret is to be seen"
grep -q '$secret' /srv/raincell/alert/shared/.env
token=\$(cat /etc/raincell/store-token)
for user in store prepare nowcast api alert; do
    for file in /srv/raincell/{store,prepare,nowcast,api,alert}/shared/.env /etc/raincell/{store-token,archive.env,tls/key.pem}; do
        ! runuser -u raincell-\$user -- cat \$file 2>/dev/null || { echo "raincell-\$user reads \$file"; exit 1; }
    done
done
for word in '$secret' "\$token"; do
    ! journalctl --no-pager --output=export | grep -q "\$word" || { echo "in the journal"; exit 1; }
    found=\$(grep -rlsI "\$word" /etc /srv /var /usr/local /home /root | grep -v -e '/shared/.env\$' -e '^/etc/raincell/store-token\$' -e '^/etc/raincell/archive.env\$' || true)
    [ -z "\$found" ] || { echo "in \$found"; exit 1; }
done
SHELL
shown "secrets: unreadable for the services' users, absent from journal and disk"

start_load
playbook deploy.yml --extra-vars raincell_version=1.1.0
stop_load "a release was deployed"
[ "$(in_machine readlink /srv/raincell/api/current)" = releases/1.1.0 ] || fail "1.1.0 does not run"
shown "deploy under load from 4 connections, no request failed"

for broken in "1.2.0 api exit 1" "1.3.0 alert exec sleep 1000"; do
    read -r version service script <<<"$broken"
    break_release "$version" "$service" "$script"
    start_load
    deploy=$SECONDS
    # With the patience that machines have, not with this test's.
    playbook deploy.yml --extra-vars "raincell_version=$version raincell_ready_seconds=15" 2>/dev/null &&
        fail "a broken release was deployed"
    echo "back after $((SECONDS - deploy)) s"
    grep -q "$service is back on 1.1.0" "$work/play.log" || fail "the deploy failed for another reason: $(tail -n 20 "$work/play.log")"
    stop_load "a broken release was taken back"
    for name in store prepare nowcast api alert; do
        [ "$(in_machine readlink "/srv/raincell/$name/current")" = releases/1.1.0 ] || fail "$name is not back on 1.1.0"
    done
    shown "a release with a broken $service takes itself back, no request failed"
done

# A process that hangs: it is stopped, so that it neither answers nor ends. Its watchdog (30 s) has it ended and started again.
hung=$(date +%s)
as_root <<'SHELL' || fail "a service that hangs is not started again"
was=$(systemctl show --value --property=MainPID raincell-nowcast)
kill -STOP "$was"
until=$((SECONDS + 300))
while now=$(systemctl show --value --property=MainPID raincell-nowcast); [ "$now" = "$was" ] || [ "$now" = 0 ]; do
    [ $SECONDS -lt $until ] || exit 1
    sleep 0.5
done
until curl --silent --fail --max-time 5 --output /dev/null http://127.0.0.1:8083/ready; do
    [ $SECONDS -lt $until ] || exit 1
    sleep 0.5
done
journalctl --no-pager --output=cat --unit=raincell-nowcast | grep -q 'Watchdog timeout'
SHELL
echo "ready again $(($(date +%s) - hung)) s after it hung"
shown "a service that hangs is ended by its watchdog and starts again"

start_load
back=$(date +%s%N)
playbook rollback.yml
echo "rollback took $((($(date +%s%N) - back) / 1000000)) ms"
stop_load "it was rolled back"
[ "$(in_machine readlink /srv/raincell/api/current)" = releases/1.0.0 ] || fail "1.0.0 does not run"
shown "rollback, no request failed"

# The ids of what was observed; they are hashes of the content.
frames() {
    ask '/v1/frames' | python3 -c 'import json, sys
print(sorted(f["id"] for f in json.load(sys.stdin)["frames"] if f["kind"] == "observed"))'
}
# The same as $before, once the api has loaded them.
same_frames() {
    local now='' until=$((SECONDS + 600))
    while [ $SECONDS -lt $until ]; do
        now=$(frames 2>/dev/null || true)
        [ "$now" = "$before" ] && return
        sleep 0.5
    done
    fail "other frames $1: $now, expected $before"
}
before=$(frames)
[ "$before" != "[]" ] || fail "no frames to back up"
as_root <<'SHELL'
raincell-backup
systemctl stop raincell-prepare raincell-store
rm -f /var/lib/raincell-store/raincell.sqlite* /srv/raincell/incoming/*.h5
raincell-restore /var/backups/raincell/*.sqlite.gz
SHELL
same_frames "after the restore"
shown "backup, wipe, restore: the same frames"

# An S3 on this computer, at the machine's side of it. It is away at first: nothing is lost then.
as_root <<<'! raincell-archive tomorrow 2>/dev/null' || fail "an archive that is away is no failure"
BIND_HOST=$HOST_IP GATEWAY_PORT=${s3##*:} MINISTACK_HOST=$HOST_IP tied "$RAINCELL_TEST_CLOUD/ministack" >"$work/s3.log" 2>&1 &
S3=$!
wait_for "$s3"
curl --silent --fail --request PUT --output /dev/null "$s3/archive"
# shellcheck disable=SC2016 # the machine's shell expands it
as_root <<<'raincell-archive tomorrow && [ -z "$(find /var/lib/raincell-archive -name "*.gz")" ]' >"$work/archived"
for kind in logs backups; do
    grep -q "s3://archive/$kind/raincell-test/" "$work/archived" || fail "no $kind in the archive: $(cat "$work/archived")"
done
# Into a file: grep -q hangs up as soon as it has seen enough.
curl --silent --fail "$s3/archive/$(sed -n 's|.*s3://archive/\(logs/.*\)|\1|p' "$work/archived" | tail -n 1)" | gunzip >"$work/logs"
grep -q '"_SYSTEMD_UNIT":"raincell-prepare.service"' "$work/logs" || fail "no lines of prepare in the archived log"
kill "$S3"
shown "logs and the backup are in the object store"

stop_machine
boot_machine
same_frames "after a restart of the machine"
shown "off and on again: everything is back"

why=$(why_no_disk)
if [ -n "$why" ]; then
    echo "skipped: no real machine: $why"
    exit 0
fi
stop_machine
make_disk "$MACHINE/root" "$work/disk"
shown "the same root as a disk"

boot_disk "$work/disk" "$work/disk.console"
same_frames "on a real machine"
shown "a real machine (qemu, emulated) boots from it and answers"
