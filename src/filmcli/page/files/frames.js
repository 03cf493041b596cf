"use strict";

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/* When each frame of a film is shown, in seconds of its file's clock.

   Told as the first frame's time, and runs of equal steps to the next one: [seconds, how many].
   The last step reaches to the end of the last frame. */
class Frames {
  constructor({ first, steps }) {
    this.times = [];
    let start = first;
    for (const [step, count] of steps) {
      for (let at = 0; at < count; at++) this.times.push(start + at * step);
      start += count * step;
    }
    this.end = start;
  }

  get count() {
    return this.times.length;
  }

  /* The frame that is shown at `time`: the last one whose time has come. Clocks tick in
     milliseconds at worst, so a frame may come one early. */
  at(time) {
    const due = time + 0.001;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.times[middle] <= due) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  until(frame) {
    return frame + 1 < this.count ? this.times[frame + 1] : this.end;
  }

  /* The time nearest to `time` at which a browser surely shows `frame`. */
  inside(frame, time) {
    const start = this.times[frame];
    const margin = (this.until(frame) - start) / 4;
    return clamp(time, start + margin, start + 3 * margin);
  }

  middle(frame) {
    return (this.times[frame] + this.until(frame)) / 2;
  }
}
