// A small scene that turns one shape at a time, in whatever element it is put.

import { PerspectiveCamera } from "three";
import type { BufferGeometry } from "three";

import { calm } from "./dom";
import { loadGeometry } from "./geometry";
import { Stage } from "./stage";

const KEPT = 16;
const TURN_PER_MS = 0.0009;
const DISTANCE = 2.9;
const LIFT = 0.35;

export class Turntable {
  private readonly canvas = document.createElement("canvas");
  private readonly stage = new Stage(this.canvas);
  private readonly camera = new PerspectiveCamera(32, 1, 0.05, 20);
  private readonly kept = new Map<string, BufferGeometry>();
  private frame = 0;
  private angle = 0;

  constructor() {
    this.canvas.className = "turning";
    this.canvas.setAttribute("aria-hidden", "true");
  }

  /** Turns a shape in an element, if that is still wanted once the mesh has come. */
  async show(place: HTMLElement, shape: number, version: number, wanted: () => boolean): Promise<void> {
    const geometry = await this.geometry(shape, version);
    if (!wanted()) return;
    this.stage.setGeometry(geometry);
    place.append(this.canvas);
    this.stage.resize(place.clientWidth, place.clientHeight);
    this.angle = 0.61; // where the picture on the card was drawn from
    let last = performance.now();
    const tick = (now: number): void => {
      this.angle += Math.min(now - last, 100) * TURN_PER_MS;
      last = now;
      this.draw();
      if (!calm()) this.frame = requestAnimationFrame(tick);
    };
    cancelAnimationFrame(this.frame);
    tick(last);
  }

  rest(): void {
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
  }

  close(): void {
    this.rest();
    for (const geometry of this.kept.values()) geometry.dispose();
    this.stage.close();
  }

  private draw(): void {
    this.camera.position.setFromSphericalCoords(DISTANCE, Math.PI / 2 - LIFT, this.angle);
    this.camera.lookAt(0, 0, 0);
    this.stage.render(this.camera);
    this.canvas.dataset.angle = this.angle.toFixed(3);
  }

  private async geometry(shape: number, version: number): Promise<BufferGeometry> {
    const key = `${shape} ${version}`;
    const found = this.kept.get(key) ?? await loadGeometry(shape, version);
    this.kept.delete(key);
    this.kept.set(key, found);
    for (const [oldest, geometry] of this.kept) {
      if (this.kept.size <= KEPT) break;
      this.kept.delete(oldest);
      geometry.dispose();
    }
    return found;
  }
}
