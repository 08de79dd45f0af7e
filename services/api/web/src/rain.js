// Rain frames as raster layers. Every frame has a layer of its own; the one shown is opaque, the others wait loaded and
// invisible, so that a change of frame is a change of opacity and nothing flickers.
import { UNDER_LINES } from "./basemap.js";
import { theme, onThemeChange } from "./theme.js";

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
  /** Layer of the forecast steps: `rate`, or a probability. Observations are always rates. */
  #forecast = "rate";

  constructor(map) {
    this.#map = map;
    map.on("idle", () => this.#step());
    map.on("sourcedata", (event) => /^(rain|veil):/.test(event.sourceId ?? "") && this.#step());
    onThemeChange(() => this.#paintAgain());
  }

  /** The frames there are now; layers of others go, but not the one that is visible. */
  setFrames(frames) {
    this.#frames = frames;
    const known = new Set(frames.map((frame) => frame.id));
    for (const id of [...this.#held]) {
      if (!known.has(id) && id !== this.#visible) this.#drop(id);
    }
  }

  /** Shows the forecast as another layer. */
  setForecast(layer) {
    if (layer === this.#forecast) return;
    this.#forecast = layer;
    const steps = new Set(this.#frames.filter((frame) => frame.kind !== "observed").map((frame) => frame.id));
    for (const id of [...this.#held]) {
      if (!steps.has(id)) continue;
      if (id === this.#visible) this.#visible = null;
      this.#drop(id);
    }
    if (this.#wanted) this.show({ id: this.#wanted });
  }

  /** Shows a frame as soon as its tiles are there. */
  show(frame) {
    this.#wanted = frame.id;
    this.#hold(frame.id);
    this.#step();
  }

  /** True when a frame can be shown at once. */
  isReady(frame) {
    const loaded = (source) => Boolean(this.#map.getSource(source)) && this.#map.isSourceLoaded(source);
    return loaded(`rain:${frame.id}`) && loaded(`veil:${frame.id}`);
  }

  #step() {
    const wanted = this.#wanted;
    if (wanted && wanted !== this.#visible && this.isReady({ id: wanted })) {
      this.#paint(wanted, theme());
      if (this.#visible && this.#map.getLayer(`rain:${this.#visible}`)) this.#paint(this.#visible, { rain: 0, veil: 0 });
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
    // What a frame does not know is veiled: unknown is not dry, and a forecast knows less than an observation.
    this.#add(`veil:${id}`, `v2/coverage/0/256/{z}/{x}/{y}.png?id=${id}`, { "raster-brightness-min": theme().veilBrightness });
    const observed = this.#frames.find((frame) => frame.id === id)?.kind === "observed";
    const layer = observed ? "rate" : this.#forecast;
    this.#add(`rain:${id}`, `tiles/${layer}/{z}/{x}/{y}.png?id=${id}`, { "raster-resampling": "linear" });
    this.#held.push(id);
    while (this.#held.length > MOST_LAYERS) {
      const oldest = this.#held.find((held) => held !== this.#visible && held !== this.#wanted);
      if (!oldest) return;
      this.#drop(oldest);
    }
  }

  #add(id, path, paint) {
    const tiles = [new URL(".", document.baseURI).href + path];
    this.#map.addSource(id, { type: "raster", tiles, tileSize: 256, maxzoom: 9 });
    const hidden = { "raster-opacity": 0, "raster-opacity-transition": { duration: 0 }, "raster-fade-duration": 0 };
    this.#map.addLayer({ id, type: "raster", source: id, paint: { ...hidden, ...paint } }, UNDER_LINES);
  }

  #paint(id, opacity) {
    this.#map.setPaintProperty(`veil:${id}`, "raster-opacity", opacity.veil);
    this.#map.setPaintProperty(`rain:${id}`, "raster-opacity", opacity.rain);
  }

  #drop(id) {
    for (const layer of [`veil:${id}`, `rain:${id}`]) {
      if (this.#map.getLayer(layer)) this.#map.removeLayer(layer);
      if (this.#map.getSource(layer)) this.#map.removeSource(layer);
    }
    this.#held = this.#held.filter((held) => held !== id);
  }

  #paintAgain() {
    const colors = theme();
    for (const id of this.#held) this.#map.setPaintProperty(`veil:${id}`, "raster-brightness-min", colors.veilBrightness);
    if (this.#visible) this.#paint(this.#visible, colors);
  }
}
