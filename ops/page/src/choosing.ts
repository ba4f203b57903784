// Images that are chosen among those of a cluster, and what people do to them.

import * as api from "./api";
import { confirmed } from "./confirm";
import { h, plural, say, toast } from "./dom";
import type { ImageSummary } from "./types";

const ACTS: ["quarantine" | "release" | "delete", string][] = [
  ["quarantine", "Put in quarantine"], ["release", "Release"], ["delete", "Delete…"],
];

export class Choosing {
  readonly element: HTMLElement;
  private readonly told = h("span", { role: "status" });
  private readonly chosen = new Map<number, HTMLElement>();

  /** @param done told after images were changed. */
  constructor(private readonly done: () => void) {
    this.element = h("div", { class: "chosen", hidden: true }, this.told, ACTS.map(([action, text]) => h("button", {
      type: "button", class: action === "delete" ? "danger" : null, onclick: () => void this.act(action),
    }, text)));
  }

  item(image: ImageSummary): HTMLElement {
    const button: HTMLElement = h("button", {
      type: "button", class: image.quarantined ? "photo stranger" : "photo", "aria-pressed": "false", "data-image": image.id,
      onclick: () => this.toggle(image.id, button),
    }, h("img", { src: api.cropUrl(image.id), alt: image.copies ? `image ${image.id}, ${plural(image.copies, "copy", "copies")}` : `image ${image.id}`, loading: "lazy", width: 112, height: 112 }),
    h("span", {}, image.quarantined ? "in quarantine" : `image ${image.id}`));
    return h("li", {}, button);
  }

  private toggle(image: number, button: HTMLElement): void {
    const on = !this.chosen.delete(image);
    if (on) this.chosen.set(image, button);
    button.setAttribute("aria-pressed", String(on));
    this.element.hidden = this.chosen.size === 0;
    this.told.textContent = `${plural(this.chosen.size, "image")} chosen`;
  }

  private async act(action: "quarantine" | "release" | "delete"): Promise<void> {
    const images = [...this.chosen.keys()];
    if (action === "delete" && !(await confirmed(`Delete ${plural(images.length, "image")} for good?`, "Delete"))) return;
    try {
      await api.edit({ type: "images", images, action });
      this.chosen.clear();
      this.element.hidden = true;
      this.done();
    } catch (error) {
      toast(say(error));
    }
  }
}
