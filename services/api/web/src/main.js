// The map page: wires map, rain layers, time bar and point forecast together.
import { createMap } from "./basemap.js";
import { RainLayers } from "./rain.js";
import { TimeBar } from "./timebar.js";
import { PointCard } from "./point.js";
import { SkillPanel } from "./skill.js";
import { showLegend } from "./legend.js";
import { getJson, follow } from "./service.js";

const PAST_MINUTES = 60;
const FUTURE_MINUTES = 120;
const REFRESH_MS = 30_000;

const notice = document.getElementById("notice");
const age = document.getElementById("age");

function complain(text) {
  notice.textContent = text ?? "";
  notice.hidden = !text;
}

/** The frames of the time bar: an hour back and two ahead of the newest observation. */
function shown(list) {
  const frames = list.frames.map((frame) => ({ id: frame.id, kind: frame.kind, time: Date.parse(frame.valid_time) / 1000 }));
  const newest = frames.findLast((frame) => frame.kind === "observed")?.time ?? 0;
  return frames.filter((f) => f.time >= newest - PAST_MINUTES * 60 && f.time <= newest + FUTURE_MINUTES * 60);
}

function showAge(list) {
  if (list.data_age_s == null) return;
  const minutes = Math.floor(list.data_age_s / 60);
  const told = minutes < 1 ? "just now" : minutes < 120 ? `${minutes} min ago` : `${Math.floor(minutes / 60)} h ago`;
  age.textContent = list.stale ? `⚠ old data: radar ${told}` : `radar ${told}`;
  age.classList.toggle("stale", list.stale);
  age.title = `source: ${list.source}`;
}

async function firstDescription() {
  for (;;) {
    try {
      return await getJson("tiles/rate.json");
    } catch (error) {
      complain(error.message);
      await new Promise((resolve) => setTimeout(resolve, 2000));
    }
  }
}

async function start() {
  const description = await firstDescription();
  complain();
  showLegend(description.legend);
  const map = await createMap(document.getElementById("map"), description.bounds);
  const rain = new RainLayers(map);
  const bar = new TimeBar((frame) => rain.show(frame), (frame) => rain.isReady(frame));
  const card = new PointCard(map, description.legend);
  const skill = new SkillPanel();
  const chance = document.getElementById("chance");
  let chances = null;
  let version = "";

  /** Probabilities are there when the nowcast is an ensemble. */
  async function lookForChances(layers) {
    const layer = "probability-0.1";
    chances = layers?.includes(layer) ? (chances ?? (await getJson(`tiles/${layer}.json`).catch(() => null))) : null;
    chance.hidden = !chances;
    if (!chances) showForecastAs(false);
  }

  function showForecastAs(probability) {
    chance.setAttribute("aria-pressed", String(probability));
    rain.setForecast(probability ? "probability-0.1" : "rate");
    showLegend(probability ? chances.legend : description.legend);
  }

  chance.addEventListener("click", () => showForecastAs(chance.getAttribute("aria-pressed") !== "true"));

  async function refresh() {
    try {
      const list = await getJson("v1/frames");
      complain();
      showAge(list);
      skill.refresh();
      const frames = shown(list);
      bar.setNow(Date.parse(list.generated) / 1000);
      const next = frames.map((frame) => frame.id).join();
      if (next === version) return;
      version = next;
      await lookForChances(list.layers);
      rain.setFrames(frames);
      bar.setFrames(frames);
      card.refresh();
    } catch (error) {
      complain(`No answer from the service: ${error.message}`);
    }
  }

  await refresh();
  setInterval(refresh, REFRESH_MS);
  follow(refresh);
  map.on("click", (event) => card.open(event.lngLat));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") card.close();
    else bar.key(event);
  });
  document.documentElement.dataset.ready = "true";
}

start().catch((error) => complain(`The map cannot be shown: ${error.message}`));
