# shellcheck shell=bash
# Releases for a test machine, made of debug binaries: versions of the same, and broken ones. Sourced.

# $RELEASES: the tarballs of 1.0.0 and 1.1.0.
make_releases() {
    RELEASES="$1"
    local binaries="$2" version
    for version in 1.0.0 1.1.0; do
        cargo xtask dist --out "$RELEASES/$version" --bin-dir "$binaries" --version "$version" >/dev/null
        mv "$RELEASES/$version"/*.tar.gz "$RELEASES"
        rm -r "${RELEASES:?}/$version"
    done
    (cd "$RELEASES" && sha256sum ./*.tar.gz >SHA256SUMS)
}

# On the machine: release $1 is 1.1.0 with another program for service $2, a script of $3.
break_release() {
    as_root <<SHELL
cd /srv/raincell
for service in store prepare nowcast api alert raincell; do cp -al \$service/releases/1.1.0 \$service/releases/$1; done
rm $2/releases/$1/bin/raincell-$2
printf '#!/bin/sh\n%s\n' '$3' >$2/releases/$1/bin/raincell-$2
chmod 0755 $2/releases/$1/bin/raincell-$2
SHELL
}

# Two hours of simulated scans, as files; the last ones into $2.
make_scans() {
    local folder=$1 count=$2 raincell=$3 demo
    tied "$raincell" demo --data "$folder" --port 0 >/dev/null 2>&1 &
    demo=$!
    local until=$((SECONDS + 900))
    while kill -0 "$demo" 2>/dev/null && [ $SECONDS -lt $until ]; do
        [ "$(find "$folder/raw" -name '*.h5' 2>/dev/null | wc -l)" -ge 25 ] && break
        sleep 0.2
    done
    kill -KILL "$demo" 2>/dev/null || true
    wait "$demo" 2>/dev/null || true
    find "$folder/raw" -name '*.h5' | sort | tail -n "$count"
}
