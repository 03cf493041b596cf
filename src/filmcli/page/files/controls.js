"use strict";

const byId = (id) => document.getElementById(id);
const LARGE_SECONDS = 5;
const ZOOM_STEP = Math.SQRT2;

/* Buttons, keys and words around a pair of films, its stage and its time line. */
class Controls {
  constructor(pair, stage, line, data) {
    Object.assign(this, { pair, stage, line, data, loopFrom: null });
    pair.onframe = () => this.#tellFrame();
    pair.onstate = () => this.#tellState();
    stage.onchange = () => this.#tellStage();
    this.#legend();
    this.#buttons();
    this.keys = this.#keys();
    document.addEventListener("keydown", (event) => this.#press(event));
    byId("seek").addEventListener("input", (event) => pair.seek(Number(event.target.value)));
    byId("sound").hidden = !data.sound;
    byId("cuts").hidden = !data.cuts.length;
    this.#tellFrame();
    this.#tellState();
    this.#tellStage();
  }

  #buttons() {
    const { pair, stage } = this;
    const does = {
      play: () => this.toggle(),
      back: () => pair.step(-1),
      forward: () => pair.step(1),
      quarter: () => this.quarter(),
      loop: () => this.nextLoop(),
      sound: () => this.toggleSound(),
      earlier: () => this.toCut(-1),
      later: () => this.toCut(1),
      out: () => stage.zoomTo(stage.zoom / ZOOM_STEP),
      in: () => stage.zoomTo(stage.zoom * ZOOM_STEP),
      fit: () => stage.zoomTo(1),
      full: () => this.fullScreen(),
    };
    for (const [id, action] of Object.entries(does)) byId(id).addEventListener("click", action);
    for (const button of byId("views").children)
      button.addEventListener("click", () => stage.show(button.dataset.show));
  }

  /* The keys of mpv, where mpv has one. */
  #keys() {
    const { pair, stage } = this;
    const views = [...byId("views").children].map((button) => button.dataset.show);
    const keys = {
      " ": () => this.toggle(),
      p: () => this.toggle(),
      ".": () => pair.step(1),
      ",": () => pair.step(-1),
      ArrowRight: (event) => pair.seekSeconds(event.shiftKey ? 1 : LARGE_SECONDS),
      ArrowLeft: (event) => pair.seekSeconds(event.shiftKey ? -1 : -LARGE_SECONDS),
      ArrowUp: () => pair.seekSeconds(60),
      ArrowDown: () => pair.seekSeconds(-60),
      PageUp: () => this.toCut(1),
      PageDown: () => this.toCut(-1),
      Home: () => pair.seek(0),
      End: () => pair.seek(pair.frames.count - 1),
      "[": () => pair.setSpeed(pair.speed / 1.1),
      "]": () => pair.setSpeed(pair.speed * 1.1),
      "{": () => pair.setSpeed(pair.speed / 2),
      "}": () => pair.setSpeed(pair.speed * 2),
      Backspace: () => pair.setSpeed(1),
      q: () => this.quarter(),
      l: () => this.nextLoop(),
      L: () => this.loopAll(),
      x: () => stage.flip(),
      "+": () => stage.zoomTo(stage.zoom * ZOOM_STEP),
      "=": () => stage.zoomTo(stage.zoom * ZOOM_STEP),
      "-": () => stage.zoomTo(stage.zoom / ZOOM_STEP),
      0: () => stage.zoomTo(1),
      m: () => this.toggleSound(),
      f: () => this.fullScreen(),
      "?": () => byId("keys").toggleAttribute("open"),
    };
    views.forEach((view, index) => (keys[index + 1] = () => stage.show(view)));
    return keys;
  }

  #press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const isPress = event.key === " " && event.target.closest("button, summary");
    const action = this.keys[event.key];
    if (!action || isPress) return; // space presses the button that has the focus
    event.preventDefault();
    action(event);
  }

  toggle() {
    if (this.pair.playing) this.pair.pause();
    else this.pair.play();
  }

  quarter() {
    this.pair.setSpeed(this.pair.speed === 0.25 ? 1 : 0.25);
  }

  /* Loop from here; from there to here; no more. */
  nextLoop() {
    const { pair } = this;
    if (pair.loop) {
      pair.loop = null;
    } else if (this.loopFrom === null) {
      this.loopFrom = pair.heading;
      this.#tellState();
    } else {
      const [from, to] = [this.loopFrom, pair.heading].sort((a, b) => a - b);
      this.loopFrom = null;
      pair.loop = { from, to };
    }
  }

  loopAll() {
    this.loopFrom = null;
    this.pair.loop = this.pair.loop ? null : { from: 0, to: this.pair.frames.count - 1 };
  }

  toggleSound() {
    if (!this.data.sound) return;
    this.pair.result.muted = !this.pair.result.muted;
    this.#tellState();
  }

  toCut(direction) {
    const frame = this.pair.heading;
    const cuts = [0, ...this.data.cuts];
    const beyond = direction > 0 ? cuts.filter((c) => c > frame) : cuts.filter((c) => c < frame).reverse();
    if (beyond.length) this.pair.seek(beyond[0]);
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.stage.element.requestFullscreen?.();
  }

  #legend() {
    const list = byId("legend");
    const tell = (colour, words, kind) => {
      const item = list.appendChild(document.createElement("li"));
      const mark = item.appendChild(document.createElement("i"));
      mark.style.background = `var(${colour})`;
      mark.className = kind;
      item.append(words);
    };
    for (const { letter, colour, name } of this.data.legend) {
      const count = this.data.kinds.split(letter).length - 1;
      if (count) tell(colour, `${count} ${name}`, "");
    }
    const count = this.data.cuts.length;
    tell("--cut", `${count || "no"} ${count === 1 ? "cut" : "cuts"}`, "cut");
  }

  #tellFrame() {
    const { frame, frames } = this.pair;
    const { name } = this.data.legend.find(({ letter }) => letter === this.data.kinds[frame]);
    const words =
      `Frame ${frame + 1} of ${frames.count} · ${clock(frames.times[frame])} · ${name} · ` +
      `beside source frame ${this.pair.beside(frame) + 1}`;
    byId("status").textContent = words;
    this.line.show(frame, words, this.pair.loop);
  }

  #tellState() {
    const { pair } = this;
    document.body.setAttribute("aria-busy", !pair.isThere);
    byId("play").textContent = pair.playing ? "Pause" : "Play";
    byId("speed").textContent = `${Number(pair.speed.toFixed(2))}×`;
    byId("quarter").setAttribute("aria-pressed", pair.speed === 0.25);
    byId("sound").setAttribute("aria-pressed", !pair.result.muted);
    const next = pair.loop ? "End the loop" : this.loopFrom === null ? "Loop from here" : "Loop to here";
    byId("loop").textContent = next;
    this.#tellFrame();
  }

  #tellStage() {
    byId("zoom").textContent = `${Number(this.stage.zoom.toFixed(1))}×`;
    for (const button of byId("views").children)
      button.setAttribute("aria-pressed", button.dataset.show === this.stage.view);
  }
}

/* Seconds as m:ss.mmm, or h:mm:ss.mmm. */
function clock(seconds) {
  const ms = Math.round(seconds * 1000);
  const part = (unit, size, digits) => String(Math.floor(ms / unit) % size).padStart(digits, "0");
  const hours = Math.floor(ms / 3600000);
  const minutes = part(60000, 60, hours ? 2 : 1);
  return `${hours ? `${hours}:` : ""}${minutes}:${part(1000, 60, 2)}.${part(1, 1000, 3)}`;
}
