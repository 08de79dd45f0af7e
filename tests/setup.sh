# What ./demo and ./test share: each function installs one thing where it is missing. Sourced from the project's root.

# Tools and the Python venv stay outside the clone, so that a second clone finds them.
RAINCELL_CACHE="${RAINCELL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/raincell}"
CARGO_DENY_VERSION=0.20.2

step() { printf '\n== %s ==\n' "$*" >&2; }

# Debian packages that are not there yet.
need_debian() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "installing ${missing[*]}" >&2
    local sudo=()
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    "${sudo[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Node.js and npm build the map page.
need_node() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then need_debian nodejs npm; fi
    # SQLite is compiled from C.
    command -v cc >/dev/null || need_debian build-essential
}

# Chromium looks at the map page, driven from Node.
need_chromium() {
    command -v chromium >/dev/null || need_debian chromium
    (cd tests/web && npm ci --silent --no-fund --no-audit)
    export RAINCELL_TEST_BROWSER="$PWD/tests/web"
}

# Py-ART and friends read what the simulator writes.
need_python_venv() {
    local venv="$RAINCELL_CACHE/python" wanted
    wanted=$(cksum shared/simulator/tests/python/requirements.txt)
    if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
        command -v python3 >/dev/null || need_debian python3
        python3 -c 'import ensurepip' 2>/dev/null || need_debian python3-venv
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r shared/simulator/tests/python/requirements.txt
        echo "$wanted" > "$venv/installed"
    fi
    export RAINCELL_TEST_PYTHON="$venv/bin/python"
}

need_cargo_deny() {
    CARGO_DENY=$(command -v cargo-deny || echo "$RAINCELL_CACHE/tools/bin/cargo-deny")
    [ -x "$CARGO_DENY" ] && return
    cargo install cargo-deny --version "$CARGO_DENY_VERSION" --locked --debug --quiet --root "$RAINCELL_CACHE/tools"
}
