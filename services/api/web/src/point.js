// The forecast of a place that was clicked.
import { Marker } from "maplibre-gl";
import { getJson } from "./service.js";
import { colorOf } from "./legend.js";

const WIDTH = 308;
const HEIGHT = 92;
const BASE = 74;
/** Rates that the chart's height stands for, on a logarithmic scale. */
const LOWEST = 0.05;
const HIGHEST = 100;
const COMPASS = ["north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west"];

const number = (value) => (value >= 10 ? value.toFixed(0) : value.toFixed(1));

export class PointCard {
  #map;
  #legend;
  #place = null;
  #marker = null;
  #card = document.getElementById("point");

  constructor(map, legend) {
    this.#map = map;
    this.#legend = legend;
    document.getElementById("point-close").addEventListener("click", () => this.close());
  }

  open(place) {
    this.close();
    this.#place = { lat: place.lat, lng: ((((place.lng + 180) % 360) + 360) % 360) - 180 };
    const spot = document.createElement("div");
    spot.className = "spot";
    this.#marker = new Marker({ element: spot }).setLngLat(place).addTo(this.#map);
    this.refresh();
  }

  close() {
    this.#place = null;
    this.#marker?.remove();
    this.#marker = null;
    this.#card.hidden = true;
  }

  /** Asks again, after new data came. */
  async refresh() {
    const place = this.#place;
    if (!place) return;
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
    const query = new URLSearchParams({ lat: place.lat.toFixed(4), lon: place.lng.toFixed(4), tz: zone });
    let forecast;
    try {
      forecast = await getJson(`v1/forecast?${query}`);
    } catch (error) {
      forecast = { summary: error.message, series: [] };
    }
    if (this.#place === place) this.#tell(place, forecast);
  }

  #tell(place, forecast) {
    const text = (id, value) => (document.getElementById(id).textContent = value);
    const side = (value, plus, minus) => `${Math.abs(value).toFixed(3)}° ${value < 0 ? minus : plus}`;
    text("point-place", `${side(place.lat, "N", "S")}, ${side(place.lng, "E", "W")}`);
    text("point-summary", forecast.summary);
    document.getElementById("point-chart").innerHTML = forecast.series.length > 1 ? this.#chart(forecast) : "";
    text("point-facts", facts(forecast));
    this.#card.hidden = false;
  }

  #chart(forecast) {
    const series = forecast.series;
    const slot = WIDTH / series.length;
    const height = (rate) => {
      const share = Math.log(Math.max(rate, LOWEST) / LOWEST) / Math.log(HIGHEST / LOWEST);
      return Math.min(Math.max(share, 0), 1) * (BASE - 8);
    };
    const bars = series.map((step, index) => {
      const left = (index * slot + 0.7).toFixed(1);
      const wide = (slot - 1.4).toFixed(1);
      const time = new Date(step.valid_time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      if (step.rate_mm_h == null) {
        return `<rect class="unknown" x="${left}" y="8" width="${wide}" height="${BASE - 8}"><title>${time}: unknown</title></rect>`;
      }
      const tall = step.rate_mm_h > 0 ? Math.max(height(step.rate_mm_h), 1) : 0;
      const color = colorOf(this.#legend, step.rate_mm_h) ?? "currentColor";
      const kind = step.observed ? "observed" : "forecast";
      return `<rect class="${kind}" fill="${color}" x="${left}" y="${(BASE - tall).toFixed(1)}" width="${wide}" height="${tall.toFixed(1)}" rx="1.5"><title>${time}: ${number(step.rate_mm_h)} mm/h</title></rect>`;
    });
    const rules = [1, 10].map((rate) => {
      const y = (BASE - height(rate)).toFixed(1);
      return `<line class="rule" x1="0" x2="${WIDTH}" y1="${y}" y2="${y}"/><text x="${WIDTH}" y="${y - 2}" text-anchor="end">${rate} mm/h</text>`;
    });
    const first = series.findIndex((step) => !step.observed);
    const now = first > 0 ? `<line class="now" x1="${(first * slot).toFixed(1)}" x2="${(first * slot).toFixed(1)}" y1="2" y2="${BASE}"/>` : "";
    const ticks = series.map((step, index) => {
      const time = new Date(step.valid_time);
      if (time.getMinutes() % 30 !== 0 || time.getSeconds() !== 0) return "";
      const label = time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
      return `<text x="${((index + 0.5) * slot).toFixed(1)}" y="${HEIGHT - 4}" text-anchor="middle">${label}</text>`;
    });
    return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Rain rate every five minutes">${rules.join("")}<line class="rule" x1="0" x2="${WIDTH}" y1="${BASE}" y2="${BASE}"/>${bars.join("")}${now}${ticks.join("")}</svg>`;
  }
}

function facts(forecast) {
  const told = [];
  const last = forecast.series.findLast((step) => step.observed);
  if (last?.rate_mm_h > 0) told.push(`${number(last.rate_mm_h)} mm/h at the last scan`);
  if (forecast.arrival?.probability != null) told.push(`probability of rain ${(100 * forecast.arrival.probability).toFixed(0)} %`);
  if (forecast.motion?.speed_km_h >= 3) {
    const towards = COMPASS[Math.round(forecast.motion.towards_deg / 45) % 8];
    told.push(`moving ${towards} at ${forecast.motion.speed_km_h.toFixed(0)} km/h`);
  }
  if (forecast.stale) told.push("old data");
  return told.join(" · ");
}
