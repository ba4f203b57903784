// The images of a version: those that fit worst, and all of them, best first.

import { cropUrl } from "./api";
import { fixed, h, percent, plural, say, toast } from "./dom";
import type { CameraSummary, Sight } from "./types";

const WORST = 6;
const A_PAGE = 36;

/** Which images are looked for; times are seconds. */
export interface Looked {
  fromHere: boolean;
  since: number | null;
  until: number | null;
}

export class Photos {
  readonly element = h("section", { class: "photos", "aria-label": "Images" });
  private cameras: CameraSummary[] = [];

  /**
   * @param look told of the image that is to be looked through.
   * @param find finds the images of a side or a time, best first.
   */
  constructor(private readonly look: (camera: CameraSummary) => void, private readonly find: (looked: Looked) => Promise<Sight[]>) {}

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
    const found = h("div", { class: "found", hidden: true });
    const showAll = (shown: boolean): void => {
      all.hidden = !shown;
      more.hidden = !shown || all.children.length >= this.cameras.length;
      found.hidden = shown;
    };
    this.element.replaceChildren(
      h("h2", {}, "Worst images"),
      h("p", { class: "dim" }, `The shape explains these least, worst first; ${plural(strangers.length, "image")} besides ` +
        `${strangers.length === 1 ? "does" : "do"} not fit at all.`),
      h("ul", { class: "grid worst" }, worst.map((camera) => this.item(camera))),
      h("h2", {}, "Its images"),
      h("p", { class: "dim" }, "Best fit first. Choose one to look at the shape from its camera."),
      this.finder(found, showAll), found, all, more);
  }

  /** Marks an image as the one that is looked through, and looks through it; with none, marks none. */
  choose(image: number | null): void {
    for (const button of this.element.querySelectorAll<HTMLElement>("[data-image]")) {
      button.setAttribute("aria-pressed", String(image !== null && button.dataset.image === String(image)));
    }
    const camera = this.cameras.find((each) => each.image === image);
    if (camera) this.look(camera);
  }

  /** Asks for the images of the side that is shown, or of a time. */
  private finder(found: HTMLElement, showAll: (shown: boolean) => void): HTMLElement {
    const [since, until] = ["since", "until"].map((name) => h("input", { type: "date", id: name })) as [HTMLInputElement, HTMLInputElement];
    const seconds = (field: HTMLInputElement): number | null => (field.valueAsNumber ? field.valueAsNumber / 1000 : null);
    const side = h("button", { type: "button", "aria-pressed": "false" }, "From the side shown above");
    const act = async (fromHere: boolean): Promise<void> => {
      side.setAttribute("aria-pressed", String(fromHere));
      const looked: Looked = { fromHere, since: seconds(since), until: seconds(until) };
      if (!fromHere && looked.since === null && looked.until === null) {
        showAll(true);
        return;
      }
      try {
        const sights = await this.find(looked);
        const known = new Map(this.cameras.map((camera) => [camera.image, camera]));
        found.replaceChildren(
          h("p", { role: "status" }, `${plural(sights.length, "image")}${fromHere ? " taken within 30° of this side" : ""}, best first`),
          h("ul", { class: "grid" }, sights.slice(0, A_PAGE).flatMap((sight) => known.get(sight.image.id) ?? []).map((camera) => this.item(camera))));
        showAll(false);
      } catch (error) {
        toast(say(error));
      }
    };
    side.addEventListener("click", () => void act(side.getAttribute("aria-pressed") !== "true"));
    for (const field of [since, until]) field.addEventListener("change", () => void act(side.getAttribute("aria-pressed") === "true"));
    return h("div", { class: "controls" }, side, h("label", { for: "since" }, "Stored since"), since, h("label", { for: "until" }, "before"), until);
  }

  private item(camera: CameraSummary): HTMLElement {
    const fits = camera.weight > 0;
    return h("li", {}, h("button", {
      type: "button", class: fits ? "photo" : "photo stranger", "aria-pressed": "false", "data-image": camera.image,
      onclick: () => this.choose(camera.image),
    }, h("img", { src: cropUrl(camera.image), alt: `image ${camera.image}`, loading: "lazy", width: 112, height: 112 }),
    h("span", {}, fits ? said(camera) : "does not fit")));
  }
}

/** How well a camera fits, and how sure it is where others fit nearly as well. */
function said({ loss, certainty }: CameraSummary): string {
  return certainty === null ? `loss ${fixed(loss)}` : `loss ${fixed(loss)} · ${percent(certainty)} sure`;
}
