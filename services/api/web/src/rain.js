// Rain frames as raster layers. Every frame has a layer of its own; the one shown is opaque, the others wait loaded and
// invisible, so that a change of frame is a change of opacity and nothing flickers.
import { UNDER_LINES } from "./basemap.js";
import { theme, onThemeChange } from "./theme.js";

const VEIL = "veil";
/** Layers kept at most; phones have less memory for textures. */
const MOST_LAYERS = matchMedia("(max-width: 640px)").matches ? 18 : 44;
/** Frames loaded ahead of the one shown, at most so many at a time. */
const LOAD_AHEAD = 3;

export class RainLayers {
  #map;
  #frames = [];
  /** Ids of the frames that have a layer, the least recently wanted first. */
  #held = [];
  #wanted = null;
  #visible = null;
  #veils = 0;

  constructor(map) {
    this.#map = map;
    map.on("idle", () => this.#step());
    map.on("sourcedata", (event) => event.sourceId?.startsWith("rain:") && this.#step());
    onThemeChange(() => this.#paintAgain());
  }

  /** The frames there are now; layers of others go, but not the one that is visible. */
  setFrames(frames) {
    this.#frames = frames;
    const known = new Set(frames.map((frame) => frame.id));
    for (const id of [...this.#held]) {
      if (!known.has(id) && id !== this.#visible) this.#drop(id);
    }
    const newest = frames.findLast((frame) => frame.kind === "observed");
    if (newest) this.#veil(newest.id);
  }

  /** Shows a frame as soon as its tiles are there. */
  show(frame) {
    this.#wanted = frame.id;
    this.#hold(frame.id);
    this.#step();
  }

  /** True when a frame can be shown at once. */
  isReady(frame) {
    const source = `rain:${frame.id}`;
    return Boolean(this.#map.getSource(source)) && this.#map.isSourceLoaded(source);
  }

  #step() {
    const wanted = this.#wanted;
    if (wanted && wanted !== this.#visible && this.isReady({ id: wanted })) {
      this.#map.setPaintProperty(`rain:${wanted}`, "raster-opacity", theme().rain);
      if (this.#visible && this.#map.getLayer(`rain:${this.#visible}`)) {
        this.#map.setPaintProperty(`rain:${this.#visible}`, "raster-opacity", 0);
      }
      this.#visible = wanted;
    }
    this.#loadAhead();
  }

  #loadAhead() {
    const at = this.#frames.findIndex((frame) => frame.id === this.#wanted);
    if (at < 0) return;
    let loading = 0;
    for (let ahead = 1; ahead < Math.min(this.#frames.length, MOST_LAYERS - 2) && loading < LOAD_AHEAD; ahead++) {
      const frame = this.#frames[(at + ahead) % this.#frames.length];
      if (this.isReady(frame)) continue;
      this.#hold(frame.id);
      loading++;
    }
  }

  #hold(id) {
    const known = this.#held.indexOf(id);
    if (known >= 0) {
      this.#held.splice(known, 1);
      this.#held.push(id);
      return;
    }
    const source = `rain:${id}`;
    const tiles = [new URL(`tiles/rate/{z}/{x}/{y}.png?id=${id}`, document.baseURI).href.replace(/%7B/g, "{").replace(/%7D/g, "}")];
    this.#map.addSource(source, { type: "raster", tiles, tileSize: 256, maxzoom: 9 });
    this.#map.addLayer({
      id: source,
      type: "raster",
      source,
      paint: { "raster-opacity": 0, "raster-opacity-transition": { duration: 0 }, "raster-fade-duration": 0, "raster-resampling": "linear" },
    }, UNDER_LINES);
    this.#held.push(id);
    while (this.#held.length > MOST_LAYERS) {
      const oldest = this.#held.find((held) => held !== this.#visible && held !== this.#wanted);
      if (!oldest) return;
      this.#drop(oldest);
    }
  }

  #drop(id) {
    const source = `rain:${id}`;
    if (this.#map.getLayer(source)) this.#map.removeLayer(source);
    if (this.#map.getSource(source)) this.#map.removeSource(source);
    this.#held = this.#held.filter((held) => held !== id);
  }

  /** What the newest frame did not observe is veiled: unknown is not dry. */
  #veil(id) {
    const colors = theme();
    const tiles = [`${new URL("v2/coverage/0/256", document.baseURI).href}/{z}/{x}/{y}.png?of=${id}`];
    const source = this.#map.getSource(VEIL);
    if (source) {
      if (this.#veils !== id) source.setTiles(tiles);
    } else {
      this.#map.addSource(VEIL, { type: "raster", tiles, tileSize: 256, maxzoom: 9 });
      const first = this.#held.length ? `rain:${this.#held[0]}` : UNDER_LINES;
      this.#map.addLayer({
        id: VEIL,
        type: "raster",
        source: VEIL,
        paint: { "raster-opacity": colors.veil, "raster-brightness-min": colors.veilBrightness, "raster-fade-duration": 0 },
      }, first);
    }
    this.#veils = id;
  }

  #paintAgain() {
    const colors = theme();
    if (this.#map.getLayer(VEIL)) {
      this.#map.setPaintProperty(VEIL, "raster-opacity", colors.veil);
      this.#map.setPaintProperty(VEIL, "raster-brightness-min", colors.veilBrightness);
    }
    if (this.#visible) this.#map.setPaintProperty(`rain:${this.#visible}`, "raster-opacity", colors.rain);
  }
}
