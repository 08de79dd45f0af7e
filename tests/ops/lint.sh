#!/usr/bin/env bash
# Playbooks, shell scripts, Packer and Vagrant files, looked at without running them.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/setup.sh
. tests/ops/tools.sh
need_ansible
need_debian shellcheck packer vagrant

# Shell: what is a script, and what the playbook makes into one (without the template's own words).
mapfile -t scripts < <(git ls-files --cached --others --exclude-standard | xargs grep -lE '^#!/(usr/bin/env bash|bin/bash|bin/sh)|^# shellcheck shell=' | grep -v '\.j2$')
shellcheck --external-sources "${scripts[@]}"
for template in ansible/roles/*/templates/*.j2; do
    head -n 1 "$template" | grep -q '^#!/bin/bash' || continue
    sed -E 's/\{\{[^}]*\}\}/1/g; s/\{%[^%]*%\}//g' "$template" | shellcheck --shell=bash - || { echo "in $template" >&2; exit 1; }
done

yamllint --strict ansible
(
    cd ansible
    ansible-lint --offline --profile production -qq
    for inventory in inventories/*; do
        ansible-playbook --inventory "$inventory" --syntax-check site.yml >/dev/null
    done
)

# Debian's Packer (1.6.6) knows no required_plugins; it has the plugins inside.
packer fmt -check -diff packer
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
mkdir -p "$staged/packer" "$staged/target/dist"
cp -r ansible "$staged"
cp packer/* "$staged/packer"
rm "$staged/packer/plugins.pkr.hcl"
PACKER_CACHE_DIR="$staged/cache" packer validate -var version=0.0.0 -var base_image_checksum=none "$staged/packer" >/dev/null

if [ -f Vagrantfile ]; then
    VAGRANT_HOME="$staged/vagrant" VAGRANT_CWD="$PWD" VAGRANT_DOTFILE_PATH="$staged/dot" vagrant validate --ignore-provider >/dev/null
fi
echo "playbooks, scripts, Packer and Vagrant files are good"
