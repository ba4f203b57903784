// One shape: the 3D view with its images around it, its versions over time, its figures, where it came from.

import type { BufferGeometry } from "three";

import * as api from "./api";
import { fillAlike } from "./alike";
import { confirmed } from "./confirm";
import { ago, bar, count, fixed, h, percent, plural, say, title, toast, whenSeen, words } from "./dom";
import { drawLineage } from "./lineage";
import { Photos } from "./photos";
import { Said } from "./said";
import { hasMesh, Timeline } from "./timeline";
import type { CameraSummary, ClusterSummary, ShapeSummary } from "./types";
import type { Viewer } from "./viewer";
import type { Context } from "./view";

const HELP = "3D view. Drag or use the arrow keys to turn, wheel or + and - to zoom, 0 to reset.";
const HINT = "drag to turn · wheel to zoom · click a photo to look through its camera";
const FORMATS: [string, string][] = [
  ["glb", "GLB"], ["obj", "OBJ"], ["ply", "PLY"], ["usdz", "USDZ"], ["colmap", "COLMAP"], ["nerfstudio", "nerfstudio"],
  ["masks", "Masks"], ["coordinates", "Coordinates"], ["keypoints", "Keypoints"], ["dataset", "Data set"], ["cameras", "Cameras"],
];

export async function showShape({ main, rest, isCurrent }: Context): Promise<() => void> {
  const id = Number(rest[0]);
  const wanted = rest[1] ? Number(rest[1]) : null;
  const [shape, versions, cluster] = await Promise.all([api.shape(id, wanted), api.versions(id), api.cluster(id)]);
  if (!isCurrent()) return () => undefined;
  const page = new ShapePage(id, versions.items, cluster);
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
  private readonly alike = h("section", { class: "alike", "aria-label": "Shapes like this one" });
  private readonly timeline: Timeline;
  private readonly photos: Photos;
  private readonly said: HTMLElement[];
  private viewer: Viewer | null = null;
  private shown: ShapeSummary | null = null;
  private boned = false;
  private hint = HINT;
  private loading = 0;

  constructor(private readonly id: number, private readonly versions: ShapeSummary[], private cluster: ClusterSummary) {
    this.timeline = new Timeline(versions, (version) => void this.show(version), (version) => void this.goBackTo(version));
    this.photos = new Photos((camera) => this.lookThrough(camera), async (wanted) => {
      const side = wanted.fromHere && this.viewer ? this.viewer.direction : {};
      const version = this.shown?.version ?? this.cluster.version;
      return (await api.sights(this.id, version, { ...side, since: wanted.since, until: wanted.until })).items;
    });
    this.said = cluster.state === "open" ? [new Said(cluster, (now) => this.renamed(now)).element] : [];
    this.element = h("article", { class: "shape" },
      h("nav", { "aria-label": "Back" }, h("a", { href: "#/" }, "← All shapes")),
      this.heading,
      h("div", { class: "left" },
        h("section", { class: "viewer", "aria-label": "The shape in 3D" }, this.canvas, this.behind, this.tools, this.caption),
        this.timeline.element),
      h("div", { class: "right" }, this.facts, this.said), this.photos.element, this.alike, this.lineage);
    whenSeen(this.alike, () => void fillAlike(this.alike, id).catch((error: unknown) => toast(say(error))));
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
    this.shown = shape;
    this.head();
    this.facts.replaceChildren(...figures(shape), exportLinks(shape));
    if (this.versions.length > 1) history.replaceState(null, "", `#/shape/${shape.id}/${shape.version}`);
    try {
      const [cameras, geometry] = await Promise.all([api.cameras(shape.id, shape.version), this.geometry(shape)]);
      if (mine !== this.loading) return;
      this.photos.fill(cameras.items);
      this.viewer?.setGeometry(geometry);
      this.caption.textContent = hasMesh(shape) ? this.hint : "this attempt found no shape";
      this.viewer?.setCameras(cameras.items.filter((camera) => camera.weight > 0));
      await this.bones(this.boned);
      this.canvas.dataset.version = String(shape.version);
    } catch (error) {
      if (mine === this.loading) this.caption.textContent = say(error);
    }
    if (mine === this.loading) await this.compare(shape, mine);
  }

  private head(): void {
    this.heading.replaceChildren(`${title("Shape", this.id, this.cluster.name)} `,
      h("span", { class: "tag" }, `version ${this.shown?.version ?? ""}`));
  }

  private renamed(cluster: ClusterSummary): void {
    this.cluster = cluster;
    this.head();
  }

  private async goBackTo(version: ShapeSummary): Promise<void> {
    const asked = `Make version ${version.version} the current one? It becomes a new version; nothing is lost.`;
    if (!(await confirmed(asked, "Make it current"))) return;
    try {
      await api.edit({ type: "rollback", cluster: this.id, version: version.version });
      const now = `#/shape/${this.id}`;
      if (location.hash === now) dispatchEvent(new HashChangeEvent("hashchange"));
      else location.hash = now;
    } catch (error) {
      toast(say(error));
    }
  }

  /** Shows the keypoints of the version that is shown, or none. */
  private async bones(shown: boolean): Promise<void> {
    this.boned = shown;
    const shape = this.shown;
    if (!this.viewer || !shape) return;
    this.viewer.setKeypoints(null);
    if (!shown || !hasMesh(shape)) return;
    try {
      const found = await api.keypoints(this.id, shape.version);
      if (shape === this.shown && this.boned) this.viewer.setKeypoints(found);
    } catch (error) {
      toast(say(error));
    }
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
      toggle("Clay", false, (on) => viewer.setClay(on)), toggle("Keypoints", false, (on) => void this.bones(on)),
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

type Row = [string, (Node | string)[]];

function figures(shape: ShapeSummary): HTMLElement[] {
  const rows: Row[] = [
    ["held-out loss", [fixed(shape.loss), bar(1 - shape.loss)]],
    ["silhouette IoU", [fixed(shape.silhouette_iou), bar(shape.silhouette_iou)]],
    ["feature distance", [fixed(shape.feature_distance)]],
    ...(shape.certainty === null ? [] : [["cameras", [`${percent(shape.certainty)} should be right`, bar(shape.certainty)]] as Row]),
    ["judged", [judged(shape)]],
    ["images", [`${count(shape.views)} fitted, ${count(shape.images)} in the cluster`]],
    ["mesh", [`${plural(shape.vertices, "vertex", "vertices")}, ${plural(shape.faces, "face")}`]],
    ["start", [`${shape.warm ? "warm, from the version before" : "cold"}, ${shape.seconds.toFixed(0)} s`]],
    ["made", [`${ago(shape.time)}, after ${plural(shape.at, "image")}`]],
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
