// Land, borders and names under and over the rain, all from the service itself.
import { Map as MapLibreMap, NavigationControl, AttributionControl, ScaleControl, setWorkerUrl } from "maplibre-gl";
import "./style.css";
import { theme, onThemeChange } from "./theme.js";

const CREDIT =
  '<a href="https://maplibre.org/">MapLibre</a> · <a href="https://www.naturalearthdata.com/">Natural Earth</a> · ' +
  'places <a href="https://www.geonames.org/">GeoNames</a> (<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>)';

/** Which of the largest places appear from which zoom on, and how large their names are. */
const NAME_TIERS = [
  { from: 0, to: 120, minzoom: 1.5, size: 14 },
  { from: 120, to: 700, minzoom: 4, size: 13.5 },
  { from: 700, to: 2500, minzoom: 5.4, size: 13 },
  { from: 2500, to: 6500, minzoom: 6.8, size: 12.5 },
  { from: 6500, to: 1e9, minzoom: 8, size: 12 },
];

/** The rain lies under the layer of this id, so that lines and names stay readable. */
export const UNDER_LINES = "coast";

function style(colors) {
  const names = NAME_TIERS.map((tier, index) => ({
    id: `places-${index}`,
    type: "symbol",
    source: "places",
    minzoom: tier.minzoom,
    filter: ["all", [">=", ["get", "rank"], tier.from], ["<", ["get", "rank"], tier.to]],
    layout: {
      "icon-image": nameImage(colors, tier),
      "icon-anchor": "left",
      "icon-offset": [-7, 0],
      "icon-padding": 5,
      "symbol-sort-key": ["get", "rank"],
    },
  }));
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: new URL("map/land.json", document.baseURI).href, tolerance: 0.3 },
      borders: { type: "geojson", data: new URL("map/borders.json", document.baseURI).href, tolerance: 0.3 },
      places: { type: "geojson", data: new URL("map/places.json", document.baseURI).href },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": colors.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": colors.land } },
      { id: UNDER_LINES, type: "line", source: "land", paint: { "line-color": colors.coast, "line-width": ["interpolate", ["linear"], ["zoom"], 3, 0.5, 8, 1.3] } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": colors.border, "line-width": ["interpolate", ["linear"], ["zoom"], 3, 0.6, 8, 1.6], "line-dasharray": [4, 2] } },
      // The largest come last: the topmost layer is placed first.
      ...names.reverse(),
    ],
  };
}

function nameImage(colors, tier) {
  return ["concat", `${colors.name}|${tier.size}|`, ["get", "name"]];
}

/** Draws a dot and a name as a picture: there is no glyph server. */
function drawName(map, id) {
  const [, size, name] = id.split(/\|(.*?)\|/s);
  if (!name || map.hasImage(id)) return;
  const colors = theme();
  const ratio = 2;
  const font = `500 ${size * ratio}px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif`;
  const canvas = document.createElement("canvas");
  let context = canvas.getContext("2d");
  context.font = font;
  const left = 14 * ratio;
  canvas.width = Math.ceil(context.measureText(name).width) + left + 4 * ratio;
  canvas.height = Math.ceil(Number(size) * 1.6 * ratio);
  context = canvas.getContext("2d");
  context.font = font;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  const middle = canvas.height / 2;
  context.strokeStyle = colors.halo;
  context.fillStyle = colors.dot;
  context.lineWidth = 1.6 * ratio;
  context.beginPath();
  context.arc(7 * ratio, middle, 2.4 * ratio, 0, 2 * Math.PI);
  context.stroke();
  context.fill();
  context.lineWidth = 3.2 * ratio;
  context.strokeText(name, left, middle);
  context.fillStyle = colors.label;
  context.fillText(name, left, middle);
  map.addImage(id, context.getImageData(0, 0, canvas.width, canvas.height), { pixelRatio: ratio });
}

function paintAgain(map) {
  const colors = theme();
  map.setPaintProperty("sea", "background-color", colors.sea);
  map.setPaintProperty("land", "fill-color", colors.land);
  map.setPaintProperty(UNDER_LINES, "line-color", colors.coast);
  map.setPaintProperty("borders", "line-color", colors.border);
  NAME_TIERS.forEach((tier, index) => map.setLayoutProperty(`places-${index}`, "icon-image", nameImage(colors, tier)));
}

/** A map that shows `bounds` (west, south, east, north), once its style is there. */
export async function createMap(container, bounds) {
  setWorkerUrl(new URL("assets/worker.js", document.baseURI).href);
  const map = new MapLibreMap({
    container,
    style: style(theme()),
    bounds: [[bounds[0], bounds[1]], [bounds[2], bounds[3]]],
    fitBoundsOptions: { padding: { top: 20, bottom: 90, left: 10, right: 10 } },
    hash: "at",
    minZoom: 1,
    maxZoom: 11.9,
    attributionControl: false,
    dragRotate: false,
    pitchWithRotate: false,
    keyboard: false,
    fadeDuration: 100,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new ScaleControl(), "top-right");
  map.addControl(new AttributionControl({ compact: matchMedia("(max-width: 640px)").matches, customAttribution: CREDIT }), "bottom-right");
  map.setMissingStyleImageResolver((id) => drawName(map, id));
  onThemeChange(() => paintAgain(map));
  await new Promise((resolve) => map.once("style.load", resolve));
  // On a phone the credits wait behind their button instead of covering the legend.
  const credits = container.querySelector(".maplibregl-ctrl-attrib.maplibregl-compact");
  credits?.classList.remove("maplibregl-compact-show");
  credits?.removeAttribute("open");
  return map;
}
