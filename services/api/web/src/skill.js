// How good the nowcasts were: a line that anybody can read, and a chart behind it.
import { getJson } from "./service.js";

const WIDTH = 276;
const HEIGHT = 118;
const PLOT = { left: 24, right: 6, top: 8, bottom: 20 };
/** Asked for at most so often; the service keeps its answer about as long. */
const PAUSE_MS = 15_000;
const PERSISTENCE = "persistence";

export class SkillPanel {
  #panel = document.getElementById("skill");
  #asked = 0;

  /** Asks again, after new data came. */
  async refresh() {
    if (Date.now() - this.#asked < PAUSE_MS) return;
    this.#asked = Date.now();
    try {
      this.#tell(await getJson("v1/skill"));
    } catch {
      // The map is what counts; the panel stays as it is.
    }
  }

  #tell(skill) {
    const [day, month] = skill.windows;
    this.#panel.hidden = !skill.method;
    if (!skill.method) {
      // Nothing was scored yet; the first scores come soon.
      this.#asked = 0;
      return;
    }
    const window = day.leads.length ? day : month;
    const summary = document.getElementById("skill-summary");
    summary.textContent = skill.summary;
    summary.title = "Critical success index: of all places with rain in forecast or radar, the share with rain in both";
    document.getElementById("skill-chart").innerHTML = chart(window, skill.method);
    document.getElementById("skill-facts").textContent = facts(skill, window);
  }
}

/** (lead time, CSI at 0.1 mm/h) of a method. */
function line(window, method) {
  const leads = window.leads.filter((lead) => lead.method === method && lead.thresholds[0].csi != null);
  return leads.map((lead) => [lead.lead_min, lead.thresholds[0].csi]);
}

function chart(window, method) {
  const longest = Math.max(60, ...window.leads.map((lead) => lead.lead_min));
  const x = (minutes) => PLOT.left + ((WIDTH - PLOT.left - PLOT.right) * minutes) / longest;
  const y = (csi) => HEIGHT - PLOT.bottom - (HEIGHT - PLOT.bottom - PLOT.top) * csi;
  const rules = [0, 0.5, 1].map(
    (csi) => `<line class="rule" x1="${PLOT.left}" x2="${WIDTH - PLOT.right}" y1="${y(csi)}" y2="${y(csi)}"/><text x="${PLOT.left - 5}" y="${y(csi) + 3.5}" text-anchor="end">${csi}</text>`,
  );
  const ticks = [];
  for (let minutes = 30; minutes <= longest; minutes += 30) {
    const label = minutes === 30 ? `+${minutes} min` : `+${minutes}`;
    ticks.push(`<text x="${x(minutes)}" y="${HEIGHT - 5}" text-anchor="${minutes + 30 > longest ? "end" : "middle"}">${label}</text>`);
  }
  const path = (name, kind) => {
    const points = line(window, name);
    if (points.length === 0) return "";
    const [first, ...rest] = points.map(([minutes, csi]) => `${x(minutes).toFixed(1)} ${y(csi).toFixed(1)}`);
    return `<path class="${kind}" d="M${first}${rest.map((point) => `L${point}`).join("")}"/>`;
  };
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Critical success index by lead time">${rules.join("")}${ticks.join("")}${path(PERSISTENCE, "persistence")}${path(method, "ours")}</svg>`;
}

function facts(skill, window) {
  const at = (method) => window.leads.filter((lead) => lead.method === method);
  const told = [`${Math.max(0, ...at(skill.method).map((lead) => lead.nowcasts))} nowcasts`];
  const hour = (method) => at(method).findLast((lead) => lead.lead_min <= 60)?.mae_wet_mm_h;
  if (hour(skill.method) != null && hour(PERSISTENCE) != null) {
    told.push(`mean error after an hour ${hour(skill.method).toFixed(1)} mm/h, persistence ${hour(PERSISTENCE).toFixed(1)}`);
  }
  if (skill.stale) told.push("old data");
  return told.join(" · ");
}
