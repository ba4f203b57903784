// The library as it was after so many images: a slider through time, the totals and the shapes of then.

import * as api from "./api";
import { ago, count, h, plural, say, title, toast, fixed } from "./dom";
import type { ShapeSummary } from "./types";
import type { Context } from "./view";

const A_PAGE = 48;
const SETTLE_MS = 200;

export async function showPast({ main, rest, isCurrent }: Context): Promise<() => void> {
  const [first, now] = await Promise.all([api.firstChange(), api.moment()]);
  if (!isCurrent()) return () => undefined;
  if (!first || !now) {
    main.replaceChildren(h("article", {}, h("h1", {}, "The library then"), h("p", { class: "empty" }, "Nothing has happened yet.")));
    return () => undefined;
  }
  const past = new Past(first.at, now.at);
  main.replaceChildren(past.element);
  await past.show(rest[0] ? Math.max(first.at, Math.min(Number(rest[0]) || 0, now.at)) : now.at);
  return () => past.close();
}

class Past {
  readonly element: HTMLElement;
  private readonly slider: HTMLInputElement;
  private readonly told = h("p", { class: "told", role: "status" });
  private readonly list = h("ul", { class: "wall", "aria-label": "Shapes of then" });
  private readonly more = h("button", { class: "more", type: "button", hidden: true }, "Show more shapes");
  private next: string | null = null;
  private images = 0;
  private timer = 0;
  private loading = 0;

  constructor(first: number, last: number) {
    this.slider = h("input", { type: "range", id: "moment", min: first, max: last, step: 1, oninput: () => this.moved() });
    this.more.addEventListener("click", () => void this.extend(this.loading));
    this.element = h("article", { class: "past" }, h("h1", {}, "The library then"),
      h("section", { class: "timeline", "aria-label": "Moment" },
        h("h2", {}, h("label", { for: "moment" }, "After so many images")), this.slider, this.told),
      this.list, this.more);
  }

  async show(images: number): Promise<void> {
    const mine = (this.loading += 1);
    this.images = images;
    this.slider.value = String(images);
    this.slider.setAttribute("aria-valuetext", `after ${plural(images, "image")}`);
    history.replaceState(null, "", `#/past/${images}`);
    try {
      const then = await api.momentAt(images);
      if (mine !== this.loading) return;
      this.told.textContent = `After ${plural(images, "image")}, ${ago(then.time)}: ${plural(then.clusters, "cluster")}, ${plural(then.shapes, "shape")}`;
      this.next = null;
      this.list.replaceChildren();
      await this.extend(mine);
    } catch (error) {
      if (mine !== this.loading) return;
      this.told.textContent = `After ${plural(images, "image")}: ${say(error)}`;
      this.list.replaceChildren();
      this.more.hidden = true;
    }
  }

  close(): void {
    clearTimeout(this.timer);
    this.loading += 1;
  }

  private async extend(mine: number): Promise<void> {
    try {
      const page = await api.shapesAt(this.images, A_PAGE, this.next);
      if (mine !== this.loading) return;
      this.list.append(...page.items.map(card));
      this.next = page.next;
      this.more.hidden = !page.next;
      this.list.dataset.shown = String(this.images);
    } catch (error) {
      toast(say(error));
    }
  }

  private moved(): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.show(Number(this.slider.value)), SETTLE_MS);
  }
}

function card(shape: ShapeSummary): HTMLElement {
  return h("li", {}, h("a", { class: "card", href: `#/shape/${shape.id}/${shape.version}` },
    h("span", { class: "stage" }, h("img", { src: api.previewUrl(shape.id, shape.version), alt: "", loading: "lazy", width: 256, height: 256 })),
    h("span", { class: "line" }, h("strong", {}, title("Shape", shape.id, shape.name)), h("span", { class: "tag" }, `v${shape.version}`)),
    h("span", { class: "line dim" }, `${count(shape.images)} images`, h("span", {}, `loss ${fixed(shape.loss)}`))));
}
