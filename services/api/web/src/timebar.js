// The time bar: a slider from past to future, play and pause, keyboard.

const FRAME_MS = 420;
const PAUSE_AT_END_MS = 1200;
/** A frame that does not come in this time is not waited for any longer. */
const PATIENCE_MS = 2500;

const clock = (time) => new Date(time * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

export class TimeBar {
  #show;
  #isReady;
  #frames = [];
  #index = -1;
  #now = 0;
  #playing = false;
  #timer = 0;
  #slider = document.getElementById("slider");
  #play = document.getElementById("play");

  constructor(show, isReady) {
    this.#show = show;
    this.#isReady = isReady;
    this.#play.addEventListener("click", () => this.toggle());
    this.#slider.addEventListener("input", () => {
      this.stop();
      this.#goTo(this.#nearest(Number(this.#slider.value)));
    });
  }

  /** New frames; stays at the time that is shown, or at the newest observation when that was shown. */
  setFrames(frames) {
    const newestOf = (list) => list.findLastIndex((frame) => frame.kind === "observed");
    const before = this.#frames[this.#index];
    const atNewest = !before || this.#index === newestOf(this.#frames);
    this.#frames = frames;
    this.#slider.disabled = frames.length === 0;
    if (frames.length === 0) return;
    this.#slider.min = frames[0].time;
    this.#slider.max = Math.max(frames.at(-1).time, frames[0].time + 60);
    this.#shade();
    this.#index = -1;
    this.#goTo(atNewest && !this.#playing ? Math.max(newestOf(frames), 0) : this.#nearest(before?.time ?? 0));
  }

  /** The time of the service. */
  setNow(time) {
    this.#now = time;
    if (this.#frames.length) this.#shade();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || this.#frames.length === 0) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === " " && event.target.tagName !== "BUTTON") {
      this.toggle();
    } else if (step) {
      this.stop();
      this.#goTo(Math.min(Math.max(this.#index + step, 0), this.#frames.length - 1));
    } else if (event.key === "n" || event.key === "Home") {
      this.stop();
      this.#goTo(this.#frames.findLastIndex((frame) => frame.kind === "observed"));
    } else {
      return;
    }
    event.preventDefault();
  }

  toggle() {
    if (this.#playing) return this.stop();
    this.#playing = true;
    this.#marked();
    this.#next(performance.now());
  }

  stop() {
    this.#playing = false;
    clearTimeout(this.#timer);
    this.#marked();
  }

  #marked() {
    this.#play.classList.toggle("playing", this.#playing);
    this.#play.setAttribute("aria-label", this.#playing ? "Pause" : "Play");
  }

  #next(since) {
    if (!this.#playing || this.#frames.length === 0) return;
    const next = (this.#index + 1) % this.#frames.length;
    if (this.#isReady(this.#frames[next]) || performance.now() - since > PATIENCE_MS) {
      this.#goTo(next);
      const last = next === this.#frames.length - 1;
      this.#timer = setTimeout(() => this.#next(performance.now()), last ? PAUSE_AT_END_MS : FRAME_MS);
    } else {
      this.#timer = setTimeout(() => this.#next(since), 60);
    }
  }

  #goTo(index) {
    if (index === this.#index || !this.#frames[index]) return;
    this.#index = index;
    const frame = this.#frames[index];
    this.#slider.value = frame.time;
    this.#tell(frame);
    this.#show(frame);
  }

  #tell(frame) {
    const kind = document.getElementById("clock-kind");
    const minutes = Math.round((frame.time - this.#now) / 60);
    const distance = Math.abs(minutes) < 1 ? "now" : minutes > 0 ? `in ${minutes} min` : `${-minutes} min ago`;
    document.getElementById("clock-time").textContent = clock(frame.time);
    kind.textContent = frame.kind === "observed" ? `radar, ${distance}` : `forecast, ${distance}`;
    kind.className = frame.kind === "observed" ? "" : "future";
    this.#slider.setAttribute("aria-valuetext", `${clock(frame.time)}, ${kind.textContent}`);
  }

  #nearest(time) {
    const distance = (frame) => Math.abs(frame.time - time);
    return this.#frames.reduce((best, frame, index) => (distance(frame) < distance(this.#frames[best]) ? index : best), 0);
  }

  #shade() {
    const [first, last] = [this.#frames[0].time, Math.max(this.#frames.at(-1).time, this.#frames[0].time + 60)];
    const percent = (time) => Math.min(Math.max((100 * (time - first)) / (last - first), 0), 100);
    const newest = this.#frames.findLast((frame) => frame.kind === "observed")?.time ?? first;
    document.getElementById("shade-past").style.width = `${percent(newest)}%`;
    document.getElementById("shade-future").style.width = `${100 - percent(newest)}%`;
    const mark = document.getElementById("now");
    mark.style.left = `calc(9px + (100% - 18px) * ${percent(this.#now) / 100})`;
    mark.hidden = this.#now < first || this.#now > last;
    const ticks = [];
    const every = (last - first > 2 * 3600 ? 30 : 15) * 60;
    for (let time = Math.ceil(first / every) * every; time <= last; time += every) {
      ticks.push(`<span style="left:${percent(time)}%">${clock(time)}</span>`);
    }
    document.getElementById("ticks").innerHTML = ticks.join("");
    if (this.#frames[this.#index]) this.#tell(this.#frames[this.#index]);
  }
}
