// The versions of a shape in time: a slider, with the loss of each version drawn above it.

import { ago, fixed, h, plural, s, signed, words } from "./dom";
import type { Comparison, ShapeSummary } from "./types";

const [WIDE, HIGH, EDGE] = [400, 56, 8];
const SETTLE_MS = 150;

export class Timeline {
  readonly element: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly told = h("p", { class: "told" });
  private readonly against = h("p", { class: "dim small", "aria-live": "polite" });
  private readonly acts = h("p", { class: "acts" });
  private dots: SVGCircleElement[] = [];
  private timer = 0;

  /**
   * @param chosen told of the version that is to be shown.
   * @param wanted told of the version that a person wants to be the current one again.
   */
  constructor(private readonly versions: ShapeSummary[], private readonly chosen: (version: ShapeSummary) => void,
    private readonly wanted: (version: ShapeSummary) => void) {
    this.slider = h("input", {
      type: "range", id: "version", min: 0, max: Math.max(0, versions.length - 1), step: 1, disabled: versions.length < 2,
      oninput: () => this.moved(),
    });
    this.element = h("section", { class: "timeline", "aria-label": "Versions" },
      h("h2", {}, h("label", { for: "version" }, "Versions")), this.chart(), this.slider, this.told, this.against, this.acts);
  }

  /** Shows a version as the chosen one. */
  mark(version: number): void {
    const place = Math.max(0, this.versions.findIndex((each) => each.version === version));
    this.slider.value = String(place);
    this.tell(place);
  }

  note(text: string): void {
    this.against.textContent = text;
  }

  compare(found: Comparison): void {
    const turned = found.turn === null ? "" : `, object frame turned by ${found.turn.toFixed(0)}°`;
    this.note(`against version ${found.version.version}: loss ${signed(found.loss_change)}, silhouette IoU ` +
      `${signed(found.iou_change)}, ${plural(found.images_gained.length, "image")} gained, ` +
      `${found.images_lost.length} lost${turned}`);
  }

  private moved(): void {
    const place = Number(this.slider.value);
    this.tell(place);
    clearTimeout(this.timer);
    const version = this.versions[place];
    if (version) this.timer = window.setTimeout(() => this.chosen(version), SETTLE_MS);
  }

  private tell(place: number): void {
    const version = this.versions[place];
    if (!version) return;
    const text = `version ${version.version}, ${words(version.outcome)}, loss ${fixed(version.loss)}, ${ago(version.time)}`;
    this.slider.setAttribute("aria-valuetext", text);
    this.told.textContent = `${text}${this.versions.length > 1 ? "" : "; the only one so far"}`;
    this.offer(version);
    this.dots.forEach((dot, i) => dot.classList.toggle("chosen", i === place));
  }

  /** What may be done with a version: beside another one, or made the current one again. */
  private offer(version: ShapeSummary): void {
    const beside = version.before || this.versions.filter((each) => each.version < version.version && hasMesh(each)).at(-1)?.version;
    const current = this.versions.filter((each) => each.outcome === "published").at(-1);
    const earlier = version.outcome === "published" && current !== undefined && version.version < current.version;
    this.acts.replaceChildren(...[
      beside && hasMesh(version)
        ? h("a", { href: `#/compare/${version.id}/${beside}/${version.version}` }, `Side by side with version ${beside}`) : null,
      earlier ? h("button", { type: "button", onclick: () => this.wanted(version) }, "Make this the current version") : null,
    ].filter((each) => each !== null));
  }

  private chart(): SVGSVGElement {
    const losses = this.versions.map((version) => version.loss);
    const [least, most] = [Math.min(...losses), Math.max(...losses)];
    const x = (i: number): number => EDGE + (i / Math.max(1, losses.length - 1)) * (WIDE - 2 * EDGE);
    const y = (loss: number): number => EDGE + ((most - loss) / (most - least || 1)) * (HIGH - 2 * EDGE);
    this.dots = this.versions.map((version, i) =>
      s("circle", { cx: x(i), cy: y(version.loss), r: 3, class: version.outcome === "published" ? "published" : "not" }));
    const line = losses.map((loss, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(loss).toFixed(1)}`).join("");
    return s("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, class: "losses", role: "img",
      "aria-label": `Held-out loss of ${plural(losses.length, "version")}, ${fixed(least)} to ${fixed(most)}` },
    s("path", { d: line }), this.dots);
  }
}

/** Attempts that found no shape are versions as well, of figures alone. */
export const hasMesh = (shape: ShapeSummary): boolean => shape.outcome !== "no_shape" && shape.outcome !== "failed";
