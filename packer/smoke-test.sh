#!/bin/bash
# Inside the build: the machine as it will boot, once.
set -euo pipefail
systemctl start raincell-first-boot
# An emulated machine takes its time.
RAINCELL_READY_SECONDS=180 raincell-switch restart
systemctl start nginx
curl --silent --show-error --fail --insecure --max-time 120 --output /dev/null https://127.0.0.1/ready
curl --silent --show-error --fail --insecure --max-time 120 https://127.0.0.1/ | grep -qi '<html'
systemctl --quiet is-enabled raincell-{first-boot,store,prepare,nowcast,api,alert} nginx nftables chrony >/dev/null
echo "the image answers"
