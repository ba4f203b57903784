// The images of a version: those that fit worst, and all of them, best first.

import { cropUrl } from "./api";
import { fixed, h, plural } from "./dom";
import type { CameraSummary } from "./types";

const WORST = 6;
const A_PAGE = 36;

export class Photos {
  readonly element = h("section", { class: "photos", "aria-label": "Images" });
  private cameras: CameraSummary[] = [];

  constructor(private readonly look: (camera: CameraSummary) => void) {}

  fill(cameras: CameraSummary[]): void {
    const fitting = cameras.filter((camera) => camera.weight > 0).sort((a, b) => a.loss - b.loss);
    const strangers = cameras.filter((camera) => camera.weight === 0);
    this.cameras = [...fitting, ...strangers];
    const worst = fitting.slice(-WORST).reverse();
    const all = h("ul", { class: "grid" });
    const more = h("button", { type: "button", class: "more" }, "Show more images");
    const extend = (): void => {
      const shown = all.children.length;
      all.append(...this.cameras.slice(shown, shown + A_PAGE).map((camera) => this.item(camera)));
      more.hidden = all.children.length >= this.cameras.length;
    };
    more.addEventListener("click", extend);
    extend();
    this.element.replaceChildren(
      h("h2", {}, "Worst images"),
      h("p", { class: "dim" }, `The shape explains these least, worst first; ${plural(strangers.length, "image")} besides ` +
        `${strangers.length === 1 ? "does" : "do"} not fit at all.`),
      h("ul", { class: "grid worst" }, worst.map((camera) => this.item(camera))),
      h("h2", {}, "Its images"),
      h("p", { class: "dim" }, "Best fit first. Choose one to look at the shape from its camera."),
      all, more);
  }

  /** Marks an image as the one that is looked through, and looks through it; with none, marks none. */
  choose(image: number | null): void {
    for (const button of this.element.querySelectorAll<HTMLElement>("[data-image]")) {
      button.setAttribute("aria-pressed", String(image !== null && button.dataset.image === String(image)));
    }
    const camera = this.cameras.find((each) => each.image === image);
    if (camera) this.look(camera);
  }

  private item(camera: CameraSummary): HTMLElement {
    const fits = camera.weight > 0;
    return h("li", {}, h("button", {
      type: "button", class: fits ? "photo" : "photo stranger", "aria-pressed": "false", "data-image": camera.image,
      onclick: () => this.choose(camera.image),
    }, h("img", { src: cropUrl(camera.image), alt: `image ${camera.image}`, loading: "lazy", width: 112, height: 112 }),
    h("span", {}, fits ? `loss ${fixed(camera.loss)}` : "does not fit")));
  }
}
