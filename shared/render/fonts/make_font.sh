#!/bin/sh
# Makes the two font files beside this script: DejaVu Sans and DejaVu Sans Bold, cut down to Latin, Greek, Cyrillic and
# punctuation, without hinting. Wants npm and, from PyPI, fonttools (pyftsubset).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --no-save --silent --prefix "$work" dejavu-fonts-ttf@2.37.3
from="$work/node_modules/dejavu-fonts-ttf"
for face in DejaVuSans DejaVuSans-Bold; do
    pyftsubset "$from/ttf/$face.ttf" --output-file="$here/$face-subset.ttf" --no-hinting --layout-features=kern \
        --unicodes=U+0020-007E,U+00A0-024F,U+0259,U+02B9-02BC,U+0300-0304,U+0306-030C,U+0370-03FF,U+0400-052F,U+1E00-1EFF,U+2010-2015,U+2018-201E,U+2022,U+2026,U+2030,U+2032,U+2033,U+2039,U+203A,U+20AC,U+2116,U+2190-2193,U+2212,U+2264,U+2265,U+25B2,U+25B6,U+25CF
done
cp "$from/LICENSE" "$here/LICENSE-DejaVu.txt"
