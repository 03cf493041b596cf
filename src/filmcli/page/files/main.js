"use strict";

/* Where a film is: beside the page, or inside it. */
function address(name, film) {
  if (film.href) return film.href;
  const holder = byId(`film-${name}`);
  const coded = atob(holder.textContent);
  holder.remove(); // many megabytes of text
  const bytes = new Uint8Array(coded.length);
  for (let at = 0; at < coded.length; at++) bytes[at] = coded.charCodeAt(at);
  return URL.createObjectURL(new Blob([bytes], { type: film.type }));
}

function opened(name, film) {
  const video = document.createElement("video");
  video.addEventListener("error", () => {
    byId("trouble").hidden = false;
    byId("trouble").textContent = `This browser cannot play the ${name} (${film.about}).`;
  });
  Object.assign(video, { muted: true, playsInline: true, preload: "auto" });
  video.src = address(name, film);
  return video;
}

function main() {
  const data = JSON.parse(byId("data").textContent);
  const { source, result } = data.films;
  const screens = {
    source: document.querySelector("#source canvas"),
    result: document.querySelector("#result canvas"),
  };
  const ahead = new Ahead(opened("source", source), new Frames(source.frames));
  const clock = opened("result", result);
  const pair = new Pair(ahead, clock, new Frames(result.frames), data.clock, screens);
  const stage = new Stage(byId("stage"), byId("divider"));
  const strips = { whole: byId("whole"), near: byId("near"), seek: byId("seek") };
  new Controls(pair, stage, new TimeLine(strips, data), data);
  pair.setSpeed(data.speed);
  pair.seek(0);
}

main();
