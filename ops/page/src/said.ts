// What people say of a cluster and its shape: name, tags, pin, hide, quarantine, and that it should go.

import * as api from "./api";
import type { Edit } from "./api";
import { confirmed } from "./confirm";
import { h, plural, say, title, toast } from "./dom";
import type { ClusterSummary } from "./types";

const LONGEST_NAME = 200;
const LONGEST_TAG = 50;
const FLAGS: ["pinned" | "hidden" | "quarantined", string, string][] = [
  ["pinned", "Pinned", "kept at hand"],
  ["hidden", "Hidden", "left out of lists"],
  ["quarantined", "In quarantine", "neither reconstructed nor an answer to queries"],
];

export class Said {
  readonly element = h("section", { class: "said", "aria-label": "What people say" });
  private busy = false;

  /** @param changed told of the cluster after each change; not of one that is deleted, which has no page any more. */
  constructor(private cluster: ClusterSummary, private readonly changed: (cluster: ClusterSummary) => void) {
    this.draw();
  }

  private draw(): void {
    const { id, name, tags } = this.cluster;
    const field = h("input", { id: "name", value: name, maxlength: LONGEST_NAME, placeholder: title("Shape", id, ""), autocomplete: "off" });
    const tag = h("input", { id: "new-tag", maxlength: LONGEST_TAG, placeholder: "add a tag", autocomplete: "off" });
    this.element.replaceChildren(h("h2", {}, "What people say"),
      this.form(h("label", { for: "name" }, "Name"), field, "Save", () => this.edit({ type: "cluster", cluster: id, name: field.value })),
      h("ul", { class: "chips", "aria-label": "Tags" }, tags.map((each) => h("li", {}, h("button", {
        type: "button", class: "chip", "aria-label": `Remove the tag ${each}`,
        onclick: () => void this.edit({ type: "cluster", cluster: id, remove_tags: [each] }),
      }, `${each} ×`)))),
      this.form(h("label", { for: "new-tag" }, "Tags"), tag, "Add", () =>
        tag.value.trim() ? this.edit({ type: "cluster", cluster: id, add_tags: [tag.value] }, "#new-tag") : Promise.resolve()),
      h("div", { class: "flags" }, FLAGS.map(([flag, text, told]) => h("button", {
        type: "button", "data-flag": flag, "aria-pressed": String(this.cluster[flag]), title: told,
        onclick: () => void this.edit({ type: "cluster", cluster: id, [flag]: !this.cluster[flag] }, `[data-flag=${flag}]`),
      }, text)),
      h("button", { type: "button", class: "danger", onclick: () => void this.remove() }, "Delete…")));
  }

  private form(label: HTMLElement, field: HTMLElement, text: string, act: () => Promise<void>): HTMLElement {
    const given = (event: Event): void => {
      event.preventDefault();
      void act();
    };
    return h("form", { class: "one", onsubmit: given }, label, field, h("button", { type: "submit" }, text));
  }

  /** @param focus what has the focus after the section was drawn anew. */
  private async edit(edit: Edit, focus = "#name"): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    try {
      await api.edit(edit);
      this.cluster = await api.cluster(this.cluster.id);
      this.draw();
      this.element.querySelector<HTMLElement>(focus)?.focus();
      this.changed(this.cluster);
    } catch (error) {
      toast(say(error));
    }
    this.busy = false;
  }

  private async remove(): Promise<void> {
    const { id, name, size } = this.cluster;
    const asked = `Delete ${title("cluster", id, name)} with its ${plural(size, "image")} and every version of its shape, for good?`;
    if (!(await confirmed(asked, "Delete"))) return;
    try {
      await api.edit({ type: "cluster_deletion", cluster: id });
      location.hash = "#/";
    } catch (error) {
      toast(say(error));
    }
  }
}
