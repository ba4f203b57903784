// One shape: the 3D view with its images around it, its versions over time, its figures, where it came from.

import type { BufferGeometry } from "three";

import * as api from "./api";
import { ago, bar, count, fixed, h, plural, say, title, words } from "./dom";
import { drawLineage } from "./lineage";
import { Photos } from "./photos";
import { Timeline } from "./timeline";
import type { CameraSummary, ShapeSummary } from "./types";
import type { Viewer } from "./viewer";
import type { Context } from "./view";

const HELP = "3D view. Drag or use the arrow keys to turn, wheel or + and - to zoom, 0 to reset.";
const HINT = "drag to turn · wheel to zoom · click a photo to look through its camera";
const FORMATS: [string, string][] = [
  ["glb", "GLB"], ["obj", "OBJ"], ["ply", "PLY"], ["colmap", "COLMAP"], ["nerfstudio", "nerfstudio"], ["cameras", "Cameras"],
];

export async function showShape({ main, rest, isCurrent }: Context): Promise<() => void> {
  const id = Number(rest[0]);
  const wanted = rest[1] ? Number(rest[1]) : null;
  const [shape, versions] = await Promise.all([api.shape(id, wanted), api.versions(id)]);
  if (!isCurrent()) return () => undefined;
  const page = new ShapePage(id, versions.items);
  main.replaceChildren(page.element);
  await page.begin(shape);
  return () => page.close();
}

class ShapePage {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { class: "canvas", tabindex: 0, role: "application", "aria-label": HELP });
  private readonly behind = h("img", { class: "behind", alt: "", hidden: true });
  private readonly caption = h("p", { class: "caption", "aria-live": "polite" }, HINT);
  private readonly tools = h("div", { class: "tools" });
  private readonly heading = h("h1");
  private readonly facts = h("section", { class: "facts", "aria-label": "Figures" });
  private readonly lineage = h("section", { class: "lineage", "aria-label": "Lineage" });
  private readonly timeline: Timeline;
  private readonly photos: Photos;
  private viewer: Viewer | null = null;
  private hint = HINT;
  private loading = 0;

  constructor(private readonly id: number, private readonly versions: ShapeSummary[]) {
    this.timeline = new Timeline(versions, (version) => void this.show(version));
    this.photos = new Photos((camera) => this.lookThrough(camera));
    this.element = h("article", { class: "shape" },
      h("nav", { "aria-label": "Back" }, h("a", { href: "#/" }, "← All shapes")),
      this.heading,
      h("div", { class: "left" },
        h("section", { class: "viewer", "aria-label": "The shape in 3D" }, this.canvas, this.behind, this.tools, this.caption),
        this.timeline.element),
      this.facts, this.photos.element, this.lineage);
  }

  async begin(shape: ShapeSummary): Promise<void> {
    this.timeline.mark(shape.version);
    void drawLineage(this.lineage, this.id);
    try {
      const { Viewer } = await import("./viewer");
      this.viewer = new Viewer(this.canvas, (image) => this.photos.choose(image), () => this.leftPhoto());
      this.tools.append(...this.buttons(this.viewer));
    } catch (error) {
      this.hint = say(error);
      const src = api.previewUrl(shape.id, shape.version);
      this.canvas.replaceWith(h("img", { class: "canvas flat", src, alt: "A picture of the shape" }));
    }
    await this.show(shape);
  }

  close(): void {
    this.viewer?.close();
    this.viewer = null;
  }

  /** Another version takes the place of the one that is shown; the address follows without a new entry in the history. */
  private async show(shape: ShapeSummary): Promise<void> {
    const mine = (this.loading += 1);
    this.heading.replaceChildren(`${title("Shape", shape.id, shape.name)} `, h("span", { class: "tag" }, `version ${shape.version}`));
    this.facts.replaceChildren(...figures(shape), exportLinks(shape));
    if (this.versions.length > 1) history.replaceState(null, "", `#/shape/${shape.id}/${shape.version}`);
    try {
      const [cameras, geometry] = await Promise.all([api.cameras(shape.id, shape.version), this.geometry(shape)]);
      if (mine !== this.loading) return;
      this.photos.fill(cameras.items);
      this.viewer?.setGeometry(geometry);
      this.caption.textContent = hasMesh(shape) ? this.hint : "this attempt found no shape";
      this.viewer?.setCameras(cameras.items.filter((camera) => camera.weight > 0));
      this.canvas.dataset.version = String(shape.version);
    } catch (error) {
      if (mine === this.loading) this.caption.textContent = say(error);
    }
    if (mine === this.loading) await this.compare(shape, mine);
  }

  private async geometry(shape: ShapeSummary): Promise<BufferGeometry | undefined> {
    if (!this.viewer || !hasMesh(shape)) return undefined;
    return (await import("./geometry")).loadGeometry(shape.id, shape.version);
  }

  private async compare(shape: ShapeSummary, mine: number): Promise<void> {
    const before = this.versions.filter((other) => other.version < shape.version).at(-1);
    this.timeline.note("");
    if (!before) return;
    const found = await api.compare(shape.id, before.version, shape.version);
    if (mine === this.loading) this.timeline.compare(found);
  }

  private buttons(viewer: Viewer): HTMLElement[] {
    const toggle = (text: string, on: boolean, act: (on: boolean) => void) => h("button", {
      type: "button", "aria-pressed": String(on),
      onclick: (event: MouseEvent) => {
        const button = event.currentTarget as HTMLElement;
        const next = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(next));
        act(next);
      },
    }, text);
    const spin = toggle("Spin", viewer.spinning, (on) => viewer.spin(on));
    for (const name of ["pointerdown", "keydown", "wheel"]) {
      this.canvas.addEventListener(name, () => spin.setAttribute("aria-pressed", String(viewer.spinning)));
    }
    return [
      toggle("Photos around it", true, (on) => viewer.showFrusta(on)), spin,
      toggle("Clay", false, (on) => viewer.setClay(on)),
      h("button", { type: "button", onclick: () => viewer.reset() }, "Reset"),
    ];
  }

  private lookThrough(camera: CameraSummary): void {
    if (!this.viewer) return;
    this.viewer.lookThrough(camera);
    this.behind.src = api.cropUrl(camera.image);
    this.behind.hidden = false;
    this.caption.textContent = camera.weight > 0
      ? `as image ${camera.image} sees it, the photo laid over the shape`
      : `image ${camera.image} does not fit; its camera means nothing`;
    this.canvas.scrollIntoView({ block: "nearest" });
  }

  private leftPhoto(): void {
    this.behind.hidden = true;
    this.caption.textContent = this.hint;
    this.photos.choose(null);
  }
}

/** Attempts that found no shape are versions as well, of figures alone. */
const hasMesh = (shape: ShapeSummary): boolean => shape.outcome !== "no_shape" && shape.outcome !== "failed";

function figures(shape: ShapeSummary): HTMLElement[] {
  const rows: [string, (Node | string)[]][] = [
    ["held-out loss", [fixed(shape.loss), bar(1 - shape.loss)]],
    ["silhouette IoU", [fixed(shape.silhouette_iou), bar(shape.silhouette_iou)]],
    ["feature distance", [fixed(shape.feature_distance)]],
    ["judged", [judged(shape)]],
    ["images", [`${count(shape.views)} fitted, ${count(shape.images)} in the cluster`]],
    ["mesh", [`${plural(shape.vertices, "vertex", "vertices")}, ${plural(shape.faces, "face")}`]],
    ["start", [`${shape.warm ? "warm, from the version before" : "cold"}, ${shape.seconds.toFixed(0)} s`]],
    ["made", [`${ago(shape.time)}, after ${plural(shape.at, "image")}`]],
    ["tags", [shape.tags.join(", ") || "none"]],
  ];
  const note = shape.outcome === "published" ? [] : [h("p", { class: "note" }, `${words(shape.outcome)}: ${shape.reason}`)];
  return [...note, h("dl", { class: "figures" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))))];
}

function judged(shape: ShapeSummary): string {
  if (shape.source) return `a roll-back to version ${shape.source}`;
  if (!shape.before) return "the first of its cluster";
  if (!shape.held_out) return `against version ${shape.before}: no image can tell`;
  return `loss ${fixed(shape.held_out_loss)} against ${fixed(shape.baseline_loss)} of version ${shape.before}, on ` +
    `${plural(shape.held_out, "image")} that neither was fitted to`;
}

function exportLinks(shape: ShapeSummary): HTMLElement {
  return h("div", { class: "exports" }, h("h2", {}, "Take it home"),
    FORMATS.map(([format, name]) =>
      h("a", { class: "button", href: api.exportUrl(shape.id, format, shape.version), download: true }, name)),
    h("p", {}, h("a", { href: `#/cluster/${shape.id}` }, "All images of its cluster")));
}
