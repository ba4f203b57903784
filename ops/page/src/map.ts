// The map of the library: clusters by how much alike their images look, near ones near to each other.

import * as api from "./api";
import { count, fixed, h, plural, title } from "./dom";
import type { LibraryMap, MapPoint } from "./types";
import type { Context } from "./view";

const HELP = "Map of the clusters. Arrow keys go from one to the next in their direction, Enter opens it, + and - zoom, " +
  "0 shows all; drag and wheel move it.";
const LISTED = 30;
const REACH_PX = 18;
const PAD = 0.06;
const DIRECTIONS: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
};

export async function showMap({ main, isCurrent }: Context): Promise<() => void> {
  const found = await api.map();
  if (!isCurrent()) return () => undefined;
  const map = new MapView(found.points);
  main.replaceChildren(h("article", { class: "map" }, h("h1", {}, "Map of the library"), ...head(found),
    found.points.length ? map.element : null, list(found.points)));
  map.begin();
  return () => map.close();
}

function head({ points, clusters, explained }: LibraryMap): HTMLElement[] {
  if (!points.length) return [h("p", { class: "empty" }, "There are no clusters yet.")];
  const all = points.length === clusters ? plural(clusters, "cluster") : `the ${count(points.length)} largest of ${count(clusters)} clusters`;
  return [h("p", { class: "dim" }, `Mean descriptors of ${all}, on the two axes along which they differ most ` +
    `(${(100 * explained).toFixed(0)} % of how they differ). Filled: with a shape; the larger, the more images.`)];
}

function list(points: MapPoint[]): HTMLElement {
  return h("section", { "aria-label": "Largest clusters" }, points.length ? h("h2", {}, "Largest clusters") : null,
    h("ul", { class: "chips" }, points.slice(0, LISTED).map((point) =>
      h("li", {}, h("a", { class: "chip", href: address(point) }, `${nameOf(point)} · ${count(point.size)}`)))));
}

const nameOf = (point: MapPoint): string => title(point.version ? "Shape" : "Cluster", point.cluster, point.name);
const address = (point: MapPoint): string => `#/${point.version ? "shape" : "cluster"}/${point.cluster}`;

class MapView {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { class: "plane", tabindex: 0, role: "application", "aria-label": HELP });
  private readonly told = h("p", { class: "told", role: "status" });
  private readonly card = h("div", { class: "tip", hidden: true });
  private readonly stopper = new AbortController();
  private readonly observer = new ResizeObserver(() => this.draw());
  private scale = 1;
  private shift: [number, number] = [0, 0];
  private current: MapPoint | null = null;
  private frame = 0;

  constructor(private readonly points: MapPoint[]) {
    this.element = h("div", { class: "sheet" }, this.canvas, this.card, this.told);
    this.canvas.dataset.points = String(points.length);
  }

  begin(): void {
    this.observer.observe(this.canvas);
    const options = { signal: this.stopper.signal };
    this.listenToPointer(options);
    this.canvas.addEventListener("keydown", (event) => this.key(event), options);
    addEventListener("theme", () => this.draw(), options);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw(), options);
  }

  close(): void {
    this.stopper.abort();
    this.observer.disconnect();
    cancelAnimationFrame(this.frame);
  }

  /** Pixels of a point; the map's longer side is 2, from -1 to 1. */
  private place(point: MapPoint): [number, number] {
    const [wide, high] = [this.canvas.clientWidth, this.canvas.clientHeight];
    const unit = Math.min(wide, high) * (0.5 - PAD) * this.scale;
    return [wide / 2 + this.shift[0] + point.x * unit, high / 2 + this.shift[1] - point.y * unit];
  }

  private radius(point: MapPoint): number {
    return Math.min(18, (3 + 0.55 * Math.sqrt(point.size)) * Math.min(2, Math.sqrt(this.scale)));
  }

  private draw(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.paint());
  }

  private paint(): void {
    const dense = Math.min(devicePixelRatio || 1, 2);
    this.canvas.width = Math.round(this.canvas.clientWidth * dense);
    this.canvas.height = Math.round(this.canvas.clientHeight * dense);
    const brush = this.canvas.getContext("2d");
    if (!brush) return;
    const colours = getComputedStyle(this.canvas);
    brush.scale(dense, dense);
    brush.strokeStyle = colours.color;
    brush.fillStyle = colours.accentColor;
    for (const point of this.points) this.dot(brush, point);
    if (this.current) {
      brush.lineWidth = 3;
      this.dot(brush, this.current, 5);
    }
    this.canvas.dataset.painted = String(this.points.length);
  }

  private dot(brush: CanvasRenderingContext2D, point: MapPoint, around = 0): void {
    const [x, y] = this.place(point);
    brush.beginPath();
    brush.arc(x, y, this.radius(point) + around, 0, 2 * Math.PI);
    brush.globalAlpha = around ? 1 : 0.75;
    if (point.version && !around) brush.fill();
    brush.stroke();
  }

  private choose(point: MapPoint | null): void {
    if (point === this.current) return;
    this.current = point;
    this.card.hidden = !point;
    this.told.textContent = point ? `${nameOf(point)}, ${plural(point.size, "image")}` +
      (point.version ? `, loss ${fixed(point.loss)}` : ", no shape yet") : "";
    if (point) this.tip(point);
    this.draw();
  }

  private tip(point: MapPoint): void {
    const [x, y] = this.place(point);
    this.card.style.left = `${Math.min(Math.max(x, 60), this.canvas.clientWidth - 60)}px`;
    this.card.style.top = `${y > 150 ? y - 132 : y + 22}px`;
    this.card.replaceChildren(point.version
      ? h("img", { src: api.previewUrl(point.cluster, point.version), alt: "", width: 96, height: 96 }) : "",
    h("span", {}, nameOf(point)));
  }

  private nearest(x: number, y: number): MapPoint | null {
    let best: MapPoint | null = null;
    let least = Infinity;
    for (const point of this.points) {
      const [px, py] = this.place(point);
      const away = Math.hypot(px - x, py - y) - this.radius(point);
      if (away < least) [best, least] = [point, away];
    }
    return least < REACH_PX ? best : null;
  }

  /** The next point in a direction: near, and not far off it. */
  private step([dx, dy]: [number, number]): void {
    const from = this.current;
    if (!from) {
      this.choose(this.points[0] ?? null);
      return;
    }
    const [x, y] = this.place(from);
    let best: MapPoint | null = null;
    let least = Infinity;
    for (const point of this.points) {
      const [px, py] = this.place(point);
      const along = (px - x) * dx + (py - y) * dy;
      const aside = Math.abs((px - x) * dy) + Math.abs((py - y) * dx);
      const cost = along + 2 * aside;
      if (point !== from && along > 0.5 && aside < 2 * along && cost < least) [best, least] = [point, cost];
    }
    if (best) this.choose(best);
    this.keepInSight();
  }

  private keepInSight(): void {
    if (!this.current) return;
    const [x, y] = this.place(this.current);
    const [wide, high] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (x > 0 && x < wide && y > 0 && y < high) return;
    this.shift = [this.shift[0] + wide / 2 - x, this.shift[1] + high / 2 - y];
    this.draw();
  }

  private zoom(factor: number, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2): void {
    const next = Math.min(60, Math.max(1, this.scale * factor));
    const ratio = next / this.scale;
    const [cx, cy] = [x - this.canvas.clientWidth / 2, y - this.canvas.clientHeight / 2];
    this.shift = next === 1 ? [0, 0] : [cx - (cx - this.shift[0]) * ratio, cy - (cy - this.shift[1]) * ratio];
    this.scale = next;
    this.card.hidden = true;
    this.draw();
  }

  private listenToPointer(options: { signal: AbortSignal }): void {
    const held = new Map<number, [number, number]>();
    let moved = 0;
    const on = <K extends keyof HTMLElementEventMap>(name: K, act: (event: HTMLElementEventMap[K]) => void): void =>
      this.canvas.addEventListener(name, act, options);
    on("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      held.set(event.pointerId, [event.offsetX, event.offsetY]);
      moved = 0;
    });
    on("pointermove", (event) => {
      const last = held.get(event.pointerId);
      if (!last) {
        this.choose(this.nearest(event.offsetX, event.offsetY));
        return;
      }
      const other = [...held].find(([id]) => id !== event.pointerId)?.[1];
      moved += Math.hypot(event.offsetX - last[0], event.offsetY - last[1]);
      if (other) {
        const apart = (x: number, y: number): number => Math.hypot(x - other[0], y - other[1]) || 1;
        this.zoom(apart(event.offsetX, event.offsetY) / apart(...last), other[0], other[1]);
      } else {
        this.shift = [this.shift[0] + event.offsetX - last[0], this.shift[1] + event.offsetY - last[1]];
      }
      held.set(event.pointerId, [event.offsetX, event.offsetY]);
      this.draw();
    });
    on("pointerup", (event) => {
      held.delete(event.pointerId);
      const point = moved < 5 ? this.nearest(event.offsetX, event.offsetY) : null;
      if (point) location.hash = address(point);
    });
    on("pointercancel", (event) => held.delete(event.pointerId));
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    }, { ...options, passive: false });
  }

  private key(event: KeyboardEvent): void {
    const direction = DIRECTIONS[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (direction) this.step(direction);
    else if (event.key === "Enter" && this.current) location.hash = address(this.current);
    else if (event.key === "+" || event.key === "=") this.zoom(1.3);
    else if (event.key === "-") this.zoom(1 / 1.3);
    else if (event.key === "0") this.zoom(0);
    else return;
    event.preventDefault();
  }
}
