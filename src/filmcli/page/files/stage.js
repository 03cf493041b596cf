"use strict";

const NEAR_PX = 24; // of the divider, to take hold of it
const CLOSEST = 16; // times

/* What is seen of the two films: the view, the divider, the part that is zoomed into. */
class Stage {
  constructor(element, divider) {
    Object.assign(this, { element, divider, zoom: 1, x: 0, y: 0 });
    this.onchange = () => {};
    this.divide(50);
    element.addEventListener("pointerdown", (event) => this.#grab(event));
    element.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    divider.addEventListener("keydown", (event) => this.#nudge(event));
  }

  get view() {
    return this.element.dataset.view;
  }

  show(view) {
    this.element.dataset.view = view;
    this.onchange();
  }

  flip() {
    this.element.toggleAttribute("data-flipped");
    this.show("flip");
  }

  divide(percent) {
    this.divided = clamp(percent, 0, 100);
    this.element.style.setProperty("--divide", `${this.divided}%`);
    this.divider.setAttribute("aria-valuenow", Math.round(this.divided));
  }

  /* Zoom so many times, so that the point at (u, v), shares of a film's box, stays where it is. */
  zoomTo(zoom, u = 0.5, v = 0.5) {
    const next = clamp(zoom, 1, CLOSEST);
    const factor = next / this.zoom;
    this.zoom = next;
    this.#place(u - (u - this.x) * factor, v - (v - this.y) * factor);
    this.onchange();
  }

  /* Put the film's corner at (x, y), in boxes; no edge is drawn into the box. */
  #place(x, y) {
    this.x = clamp(x, 1 - this.zoom, 0);
    this.y = clamp(y, 1 - this.zoom, 0);
    const style = this.element.style;
    style.setProperty("--zoom", this.zoom);
    style.setProperty("--x", `${this.x * 100}%`);
    style.setProperty("--y", `${this.y * 100}%`);
    this.element.classList.toggle("zoomed", this.zoom > 1);
  }

  #grab(event) {
    const box = this.element.getBoundingClientRect();
    const divided = box.left + (box.width * this.divided) / 100;
    const near = Math.abs(event.clientX - divided) < NEAR_PX;
    if (this.view === "split" && (near || this.zoom === 1)) {
      const divide = (at) => this.divide((100 * (at.clientX - box.left)) / box.width);
      divide(event);
      this.#drag(event, divide);
    } else if (this.zoom > 1) {
      const { x, y } = this;
      const [wide, high] = this.#box();
      this.#drag(event, (at) =>
        this.#place(x + (at.clientX - event.clientX) / wide, y + (at.clientY - event.clientY) / high),
      );
    }
  }

  /* The size of one film's box, in pixels. */
  #box() {
    const { width, height } = this.element.getBoundingClientRect();
    return [this.view === "side" ? width / 2 : width, this.view === "stack" ? height / 2 : height];
  }

  #drag(event, move) {
    const end = () => {
      this.element.removeEventListener("pointermove", move);
      this.element.removeEventListener("pointerup", end);
      this.element.removeEventListener("pointercancel", end);
    };
    this.element.setPointerCapture(event.pointerId);
    this.element.addEventListener("pointermove", move);
    this.element.addEventListener("pointerup", end);
    this.element.addEventListener("pointercancel", end);
  }

  #wheel(event) {
    if (event.ctrlKey) return; // the browser's own zoom
    event.preventDefault();
    const { left, top } = this.element.getBoundingClientRect();
    const [wide, high] = this.#box();
    const share = (distance, size) => (distance % size) / size;
    const u = share(event.clientX - left, wide);
    const v = share(event.clientY - top, high);
    this.zoomTo(this.zoom * (event.deltaY < 0 ? Math.SQRT2 : Math.SQRT1_2), u, v);
  }

  #nudge(event) {
    const by = { ArrowLeft: -2, ArrowRight: 2, Home: -100, End: 100 }[event.key];
    if (by === undefined) return;
    this.divide(this.divided + by);
    event.preventDefault();
    event.stopPropagation();
  }
}
