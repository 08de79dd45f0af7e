# The tools that check the machine's files, outside the clone. Sourced after tests/setup.sh.

need_ops_tools() {
    OPS_VENV="$RAINCELL_CACHE/ops/venv"
    local wanted="ansible-core==2.19.14 ansible-lint==26.10.1 yamllint==1.38.0"
    if [ "$(cat "$OPS_VENV/installed" 2>/dev/null)" != "$wanted" ]; then
        command -v python3 >/dev/null || need_debian python3
        python3 -c 'import ensurepip' 2>/dev/null || need_debian python3-venv
        rm -rf "$OPS_VENV"
        python3 -m venv "$OPS_VENV"
        # shellcheck disable=SC2086 # words
        "$OPS_VENV/bin/pip" install --quiet --disable-pip-version-check $wanted
        echo "$wanted" >"$OPS_VENV/installed"
    fi
}
