"use strict";

const PATIENCE_MS = 700; // without a new pair while it plays

/* Two films in step. The result is the clock; its source is played ahead of it.

   A picture of the result is drawn together with the source's that belongs beside it, or not at
   all; a machine too slow for that gets stills. `clock` says that the result's time `result` is the source's time `source`, and that the
   result is `slow` times slower. `screens` are the canvases of both. `onframe` hears which frame of
   the result is shown, `onstate` of play, pause, speed and loop, and whether the pair `isThere`
   that was asked for last. */
class Pair {
  #wanted = null;
  #drawnAt = 0;
  #loop = null;

  constructor(source, result, frames, clock, screens) {
    Object.assign(this, { source, result, frames, clock, screens });
    this.frame = 0;
    this.speed = 1;
    this.playing = false;
    this.onframe = this.onstate = () => {};
    result.addEventListener("ended", () => this.#ended());
    onEachFrame(result, (picture, time) => this.#playOn(picture, time));
  }

  sourceTime(time) {
    return this.clock.source + (time - this.clock.result) / this.clock.slow;
  }

  /* The source's frame that stands beside `frame` of the result. */
  beside(frame) {
    return this.source.frames.at(this.sourceTime(this.frames.times[frame]));
  }

  /* Show a frame of the result, and the source's; of many wishes at once the last is fulfilled. */
  async seek(frame) {
    const isUnderWay = this.#wanted !== null;
    this.#wanted = clamp(frame, 0, this.frames.count - 1);
    if (isUnderWay) return;
    this.result.pause();
    this.onstate();
    for (let at = null; at !== this.#wanted; ) {
      at = this.#wanted;
      await this.#stand(at);
    }
    this.#wanted = null;
    this.onstate();
    if (this.playing) this.#start();
  }

  get isThere() {
    return this.#wanted === null;
  }

  /* The frame that is shown, or is going to be. */
  get heading() {
    return this.#wanted ?? this.frame;
  }

  seekSeconds(seconds) {
    return this.seek(this.frames.at(this.frames.times[this.heading] + seconds));
  }

  step(count) {
    this.#stop();
    return this.seek(this.heading + count);
  }

  play() {
    if (this.playing) return;
    this.playing = true;
    this.onstate();
    if (this.frame === this.frames.count - 1) this.seek(this.#loop ? this.#loop.from : 0);
    else if (this.isThere) this.#start();
  }

  pause() {
    if (!this.playing) return;
    this.#stop();
    this.seek(this.heading); // the very frame that was drawn last
  }

  setSpeed(speed) {
    this.speed = clamp(speed, SLOWEST, FASTEST);
    this.result.playbackRate = this.speed;
    this.onstate();
  }

  /* Play only the frames `from` to `to` again and again; all of them for null. */
  set loop(span) {
    this.#loop = span;
    this.onstate();
  }

  get loop() {
    return this.#loop;
  }

  async #stand(frame) {
    const time = this.frames.middle(frame);
    const beside = this.beside(frame);
    await Promise.all([
      moved(this.result, time),
      this.source.stand(beside, this.sourceTime(time)),
    ]);
    this.#show(frame, this.result);
  }

  /* Let the source run first, and the result as soon as that is ahead. */
  #start(since = performance.now()) {
    if (!this.playing || !this.isThere) return;
    if (this.result.ended) {
      this.#ended(); // to play on would begin anew
      return;
    }
    this.#lead();
    const time = this.sourceTime(this.result.currentTime);
    if (this.source.isReady(time, this.#pace) || performance.now() - since > PATIENCE_MS) {
      this.#drawnAt = performance.now();
      this.result.play().catch(() => this.#refused());
    } else {
      requestAnimationFrame(() => this.#start(since));
    }
  }

  /* A film does not play on if it is at its end, or the browser will not; or a wish came between. */
  #refused() {
    if (!this.isThere) return;
    if (this.result.ended) this.#ended();
    else this.pause();
  }

  #stop() {
    this.playing = false;
    this.result.pause();
    this.source.pause();
    this.onstate();
  }

  get #pace() {
    return this.speed / this.clock.slow;
  }

  #lead() {
    this.source.follow(this.sourceTime(this.result.currentTime), this.#pace);
  }

  #playOn(picture, time) {
    if (!this.playing || !this.isThere) return;
    const frame = this.frames.at(time);
    const span = this.#loop;
    if (span && (frame > span.to || frame < span.from)) this.seek(span.from);
    else if (this.#show(frame, picture)) this.#lead();
    else if (performance.now() - this.#drawnAt > PATIENCE_MS) this.seek(frame);
    else this.#lead();
  }

  /* Draw both pictures, and say so; if the source's is not there, the pair before stays. */
  #show(frame, picture) {
    const beside = this.source.picture(this.beside(frame));
    if (!beside) return false;
    draw(this.screens.source, beside);
    draw(this.screens.result, picture);
    this.#drawnAt = performance.now();
    this.frame = frame;
    this.onframe(frame);
    return true;
  }

  #ended() {
    if (!this.playing || !this.isThere) return;
    if (!this.#loop) this.#stop();
    this.seek(this.#loop ? this.#loop.from : this.frames.count - 1);
  }
}
