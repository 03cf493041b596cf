"use strict";

const CELL_PX = 14; // of a frame in the near strip

/* The film as two strips: all of it, and the frames around the one that is shown.

   `kinds` has a letter for each frame of the result; `legend` says of each letter what it stands
   for and its colour (a CSS variable); `cuts` are the first frames of new scenes. */
class TimeLine {
  constructor({ whole, near, seek }, { kinds, legend, cuts }) {
    Object.assign(this, { whole, near, seek, kinds, cuts });
    const style = getComputedStyle(document.documentElement);
    this.colours = {};
    for (const { letter, colour } of legend) this.colours[letter] = style.getPropertyValue(colour);
    this.cutColour = style.getPropertyValue("--cut");
    this.ink = style.getPropertyValue("--ink");
    this.frame = 0;
    this.loop = null;
    seek.max = kinds.length - 1;
    new ResizeObserver(() => this.#fit()).observe(whole);
  }

  show(frame, words, loop) {
    Object.assign(this, { frame, loop });
    this.seek.value = frame;
    this.seek.setAttribute("aria-valuetext", words);
    this.#draw();
  }

  #fit() {
    for (const canvas of [this.whole, this.near]) {
      canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
      canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    }
    this.base = this.#wholeFilm();
    this.#draw();
  }

  /* The strip of the whole film without what moves, drawn once. */
  #wholeFilm() {
    const canvas = document.createElement("canvas");
    const { width, height } = Object.assign(canvas, {
      width: Math.max(1, this.whole.width),
      height: Math.max(1, this.whole.height),
    });
    const brush = canvas.getContext("2d");
    const count = this.kinds.length;
    for (let x = 0; x < width; x++) {
      const first = Math.floor((x * count) / width);
      const last = Math.max(first + 1, Math.floor(((x + 1) * count) / width));
      this.#column(brush, x, height, this.kinds.slice(first, last));
    }
    brush.fillStyle = this.cutColour;
    const wide = Math.max(2, devicePixelRatio);
    for (const cut of this.cuts) brush.fillRect((cut * width) / count - wide / 2, 0, wide, height);
    return canvas;
  }

  /* A column of one pixel: how many of its frames are of each kind. */
  #column(brush, x, height, kinds) {
    let bottom = height;
    for (const [letter, colour] of Object.entries(this.colours)) {
      const tall = (height * (kinds.split(letter).length - 1)) / kinds.length;
      brush.fillStyle = colour;
      brush.fillRect(x, bottom - tall, 1, tall);
      bottom -= tall;
    }
  }

  #draw() {
    if (!this.base) return;
    this.#drawWhole();
    this.#drawNear();
  }

  #drawWhole() {
    const { width, height } = this.whole;
    const brush = this.whole.getContext("2d");
    const place = (frame) => (frame * width) / this.kinds.length;
    brush.drawImage(this.base, 0, 0);
    if (this.loop) {
      brush.fillStyle = "rgb(0 0 0 / .6)";
      brush.fillRect(0, 0, place(this.loop.from), height);
      brush.fillRect(place(this.loop.to + 1), 0, width, height);
    }
    const wide = 2 * devicePixelRatio;
    const x = clamp(place(this.frame + 0.5) - wide / 2, 0, width - wide);
    brush.fillStyle = "#000";
    brush.fillRect(x - wide / 2, 0, 2 * wide, height);
    brush.fillStyle = this.ink;
    brush.fillRect(x, 0, wide, height);
  }

  #drawNear() {
    const { width, height } = this.near;
    const brush = this.near.getContext("2d");
    const cell = CELL_PX * devicePixelRatio;
    const around = Math.ceil(width / cell / 2);
    const left = (frame) => width / 2 + (frame - this.frame - 0.5) * cell;
    brush.clearRect(0, 0, width, height);
    const first = Math.max(0, this.frame - around);
    const last = Math.min(this.kinds.length - 1, this.frame + around);
    for (let frame = first; frame <= last; frame++) {
      const isOut = this.loop && (frame < this.loop.from || frame > this.loop.to);
      brush.globalAlpha = isOut ? 0.3 : 1;
      brush.fillStyle = this.colours[this.kinds[frame]];
      brush.fillRect(left(frame) + 1, 4, cell - 2, height - 8);
    }
    brush.globalAlpha = 1;
    brush.fillStyle = this.cutColour;
    for (const cut of this.cuts) brush.fillRect(left(cut) - 2, 0, 4, height);
    brush.strokeStyle = this.ink;
    brush.lineWidth = 2 * devicePixelRatio;
    brush.strokeRect(left(this.frame), 2, cell, height - 4);
  }
}
