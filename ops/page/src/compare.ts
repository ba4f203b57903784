// Two versions of a shape side by side, turned together, and their figures.

import * as api from "./api";
import { count, fixed, h, plural, say, signed, title, toast, words } from "./dom";
import { loadGeometry } from "./geometry";
import type { Comparison, ShapeSummary } from "./types";
import { Viewer } from "./viewer";
import type { Context } from "./view";

const HELP = "3D view; both turn together. Drag or use the arrow keys to turn, wheel or + and - to zoom, 0 to reset.";

export async function showCompare({ main, rest, isCurrent }: Context): Promise<() => void> {
  const [id, one, other] = rest.map(Number);
  const [found, versions] = await Promise.all([api.compare(id!, one!, other!), api.versions(id!)]);
  if (!isCurrent()) return () => undefined;
  const sides = [found.version, found.other].map((version) => new Side(version));
  main.replaceChildren(h("article", { class: "compare" },
    h("nav", { "aria-label": "Back" }, h("a", { href: `#/shape/${id}` }, "← The shape")),
    h("h1", {}, `${title("Shape", id!, found.other.name)}: two versions`),
    chooser(id!, versions.items, found),
    h("div", { class: "sides" }, sides.map((side) => side.element)), figures(found)));
  const viewers = sides.flatMap((side) => side.begin());
  for (const viewer of viewers) viewer.follow((place) => viewers.forEach((each) => { if (each !== viewer) each.copy(place); }));
  return () => viewers.forEach((viewer) => viewer.close());
}

class Side {
  readonly element: HTMLElement;
  private readonly canvas: HTMLCanvasElement;

  constructor(private readonly version: ShapeSummary) {
    this.canvas = h("canvas", { class: "canvas", tabindex: 0, role: "application", "aria-label": `Version ${version.version}. ${HELP}` });
    this.element = h("figure", { class: "side-by" }, h("div", { class: "viewer" }, this.canvas),
      h("figcaption", {}, h("strong", {}, `version ${version.version}`), ` ${words(version.outcome)}`));
  }

  /** The viewer, or nothing where the browser can't draw; then a picture takes its place. */
  begin(): Viewer[] {
    try {
      const viewer = new Viewer(this.canvas, () => undefined, () => undefined);
      viewer.spin(false);
      viewer.showFrusta(false);
      loadGeometry(this.version.id, this.version.version)
        .then((geometry) => viewer.setGeometry(geometry))
        .catch((error: unknown) => toast(say(error)));
      return [viewer];
    } catch {
      this.canvas.replaceWith(h("img", { class: "canvas flat", src: api.previewUrl(this.version.id, this.version.version), alt: "A picture of the shape" }));
      return [];
    }
  }
}

function chooser(id: number, versions: ShapeSummary[], found: Comparison): HTMLElement {
  const shown = versions.filter((version) => version.vertices > 0);
  const select = (name: string, text: string, chosen: number): [HTMLElement, HTMLSelectElement] => {
    const element = h("select", { id: name }, shown.map((version) =>
      h("option", { value: version.version, selected: version.version === chosen }, `${version.version}, ${words(version.outcome)}`)));
    element.addEventListener("change", go);
    return [h("label", { for: name }, text), element];
  };
  const one = select("one", "Version", found.version.version);
  const other = select("other", "and version", found.other.version);
  function go(): void {
    location.hash = `#/compare/${id}/${one[1].value}/${other[1].value}`;
  }
  return h("form", { class: "controls", "aria-label": "Which versions" }, one, other);
}

function figures({ version: a, other: b, ...found }: Comparison): HTMLElement {
  const rows: [string, string, string, string][] = [
    ["held-out loss", fixed(a.loss), fixed(b.loss), signed(found.loss_change)],
    ["silhouette IoU", fixed(a.silhouette_iou), fixed(b.silhouette_iou), signed(found.iou_change)],
    ["images fitted", count(a.views), count(b.views), `${found.images_gained.length} gained, ${found.images_lost.length} lost`],
    ["faces", count(a.faces), count(b.faces), ""],
    ["made after", plural(a.at, "image"), plural(b.at, "image"), ""],
    ["start", a.warm ? "warm" : "cold", b.warm ? "warm" : "cold", ""],
    ["object frame", "", "", found.turn === null ? "" : `turned by ${found.turn.toFixed(0)}°, cameras by ${(found.camera_change ?? 0).toFixed(0)}° beside that`],
  ];
  return h("table", { class: "rows" },
    h("thead", {}, h("tr", {}, ["", `Version ${a.version}`, `Version ${b.version}`, "Change"].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map(([name, one, other, change]) => h("tr", {}, h("th", { scope: "row" }, name),
      h("td", { "data-head": `version ${a.version}` }, one), h("td", { "data-head": `version ${b.version}` }, other),
      h("td", { "data-head": "change" }, change)))));
}
