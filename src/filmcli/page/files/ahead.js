"use strict";

const SLOWEST = 1 / 16; // the range in which browsers play
const FASTEST = 16;
const AHEAD_SECONDS = 0.08; // as the viewer's clock runs
const JUMP_SECONDS = 0.5; // so far off the film is set, nearer it is played faster or slower
const SETTLE_SECONDS = 0.2;
const LOOSE_SECONDS = 0.02; // browsers tell the time no better while they play

/* A muted film that plays a little ahead, and keeps its pictures until they are wanted.

   Two films that are played side by side drift apart by several frames; a picture that is kept
   stands beside the one it belongs to, however unevenly its film runs. */
class Ahead {
  #pictures = new Map(); // frame -> canvas, in order of time
  #spare = [];

  constructor(video, frames) {
    Object.assign(this, { video, frames });
    onEachFrame(video, (picture, time) => {
      if (!video.seeking) this.#keep(frames.at(time), picture);
    });
  }

  /* The picture of a frame, null if it is not there yet; those before it are let go. */
  picture(frame) {
    for (const [kept, canvas] of this.#pictures) {
      if (kept >= frame) break;
      this.#pictures.delete(kept);
      this.#spare.push(canvas);
    }
    return this.#pictures.get(frame) ?? null;
  }

  /* Stop, and have the picture of `frame`, at the time nearest to `time`. */
  async stand(frame, time) {
    this.video.pause();
    this.#clear();
    await moved(this.video, this.frames.inside(frame, time));
    this.#keep(frame, this.video);
  }

  pause() {
    this.video.pause();
  }

  /* Whether a result that starts now at `time` finds the pictures it wants, as far as there are any. */
  isReady(time, pace) {
    return !this.#canPlay(time, pace) || this.video.ended || this.#late(time, pace) <= 0;
  }

  /* Play on, so as to be ahead of `time` at `pace` seconds a second. */
  follow(time, pace) {
    if (!this.#canPlay(time, pace)) {
      this.#stepTo(this.frames.at(time));
      return;
    }
    const { video } = this;
    const late = this.#late(time, pace);
    if (Math.abs(late) > JUMP_SECONDS * Math.max(1, pace) && !video.seeking) video.currentTime = time;
    const change = Math.abs(late) < LOOSE_SECONDS * pace ? 0 : late / SETTLE_SECONDS;
    const rate = clamp(pace + clamp(change, -pace / 2, pace / 2), SLOWEST, FASTEST);
    if (Math.abs(rate - video.playbackRate) > 0.02 * pace) video.playbackRate = rate;
    if (video.paused && !video.ended) video.play().catch(() => {});
  }

  #late(time, pace) {
    return time + AHEAD_SECONDS * pace - this.video.currentTime;
  }

  /* Outside its own time a film stands still; slower than a browser plays, it is set by steps. */
  #canPlay(time, pace) {
    const isInside = time >= this.frames.times[0] && time < this.frames.end;
    return isInside && pace >= SLOWEST && pace <= FASTEST;
  }

  #stepTo(frame) {
    this.video.pause();
    if (this.#pictures.has(frame) || this.video.seeking) return;
    moved(this.video, this.frames.middle(frame)).then(() => this.#keep(frame, this.video));
  }

  #keep(frame, picture) {
    if (this.#pictures.has(frame) || !this.video.videoWidth) return;
    const canvas = this.#spare.pop() ?? document.createElement("canvas");
    draw(canvas, picture);
    this.#pictures.set(frame, canvas);
  }

  #clear() {
    this.#spare.push(...this.#pictures.values());
    this.#pictures.clear();
  }
}

/* Copy a picture to a canvas, pixel by pixel: a film's as it is now, a frame's, a canvas's. */
function draw(canvas, picture) {
  const width = picture.videoWidth ?? picture.displayWidth ?? picture.width;
  const height = picture.videoHeight ?? picture.displayHeight ?? picture.height;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").drawImage(picture, 0, 0);
}

/* Hear of every frame that a film shows: its picture, which is lent, and its time. */
function onEachFrame(video, hear) {
  const lend = (time) => {
    const frame = video.paused ? null : frameOf(video);
    hear(frame ?? video, frame ? frame.timestamp / 1e6 : time);
    frame?.close();
  };
  if (video.requestVideoFrameCallback) {
    const tick = (_, shown) => {
      video.requestVideoFrameCallback(tick);
      lend(shown.mediaTime);
    };
    video.requestVideoFrameCallback(tick);
  } else {
    const tick = () => {
      requestAnimationFrame(tick);
      lend(video.currentTime);
    };
    tick();
  }
}

/* The frame that a film shows now, with its own time: on a busy machine the film may have run on
   since a callback was due. Null for files beside a page from disk, which scripts may not look into. */
function frameOf(video) {
  try {
    return new VideoFrame(video);
  } catch {
    return null;
  }
}

/* Set a film to a time; done when its picture is there. */
async function moved(video, time) {
  if (!video.error && video.readyState < HTMLMediaElement.HAVE_METADATA)
    await heard(video, "loadedmetadata");
  if (video.error) return;
  video.currentTime = time;
  await heard(video, "seeked");
}

/* Done when a film tells of an event, or of an error. */
function heard(video, event) {
  return new Promise((done) => {
    const end = () => {
      video.removeEventListener(event, end);
      video.removeEventListener("error", end);
      done();
    };
    video.addEventListener(event, end);
    video.addEventListener("error", end);
  });
}
