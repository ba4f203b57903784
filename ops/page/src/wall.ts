// The wall of shapes: counters and growth above, the cards, and below them the clusters that have no shape yet.

import * as api from "./api";
import type { Listing } from "./api";
import { bar, count, fixed, h, plural, say, title, toast, whenSeen } from "./dom";
import { Growth } from "./growth";
import { dropZone } from "./search";
import { turnOnHover } from "./turning";
import type { ClusterSummary, LibraryStatus, Page, ShapeSummary } from "./types";
import type { Context } from "./view";

const A_PAGE = 48;
const GROWING = 12;
const FRESH_MS = 2000;
const ORDERS: [string, string][] = [
  ["size", "Largest first"], ["quality", "Best first"], ["recent", "Latest first"], ["growth", "Most grown first"],
  ["age", "Oldest first"], ["id", "By number"],
];
const COUNTERS: [string, (status: LibraryStatus) => number][] = [
  ["images", (s) => s.images], ["clusters", (s) => s.clusters], ["shapes", (s) => s.shapes],
  ["tries", (s) => s.reconstructions], ["rejected", (s) => s.rejected],
];

export function showWall({ main, live, query }: Context): () => void {
  const wall = new Wall(listingOf(query));
  const counters = h("dl", { class: "counters", "aria-label": "The library so far" });
  const growth = new Growth();
  const growing = h("section", { class: "growing", "aria-label": "Growing clusters" });
  main.replaceChildren(
    h("h1", { class: "visually-hidden" }, "Shape library"),
    h("section", { class: "glance", "aria-label": "At a glance" }, counters, growth.element),
    dropZone(), controls(wall.listing), wall.list, wall.empty, wall.more, growing);
  const close = turnOnHover(wall.list);
  whenSeen(growing, () => void fillGrowing(growing).catch((error: unknown) => toast(say(error))));
  void growth.begin();
  const leave = live.join({
    status: (status) => {
      counters.replaceChildren(...COUNTERS.map(([name, value]) =>
        h("div", { "data-name": name }, h("dt", {}, name), h("dd", {}, count(value(status))))));
      wall.freshen(`${status.shapes} ${status.reconstructions} ${status.clusters}`);
    },
    change: (change) => {
      growth.add(change);
      if (change.kind !== "images") wall.soon();
    },
  });
  return () => {
    leave();
    close();
    wall.close();
  };
}

function listingOf(query: URLSearchParams): Listing {
  return {
    order: query.get("order") ?? "size", tag: query.get("tag") ?? "", pinned: query.has("pinned") ? true : null,
    hidden: query.has("hidden") ? "only" : null,
  };
}

function controls(listing: Listing): HTMLElement {
  const order = h("select", { id: "order" }, ORDERS.map(([value, text]) =>
    h("option", { value, selected: value === listing.order }, text)));
  const tag = h("input", { id: "tag", value: listing.tag, maxlength: 100, size: 12, placeholder: "any" });
  const pinned = h("input", { id: "pinned", type: "checkbox", checked: listing.pinned === true });
  const hidden = h("input", { id: "hidden", type: "checkbox", checked: listing.hidden === "only" });
  const go = (): void => {
    const wanted = new URLSearchParams({ order: order.value });
    if (tag.value.trim()) wanted.set("tag", tag.value.trim());
    if (pinned.checked) wanted.set("pinned", "true");
    if (hidden.checked) wanted.set("hidden", "only");
    location.hash = `#/?${wanted.toString()}`;
  };
  const choose = (event: Event): void => {
    event.preventDefault();
    go();
  };
  for (const field of [order, tag, pinned, hidden]) field.addEventListener("change", go);
  return h("form", { class: "controls", onsubmit: choose, "aria-label": "Which shapes" },
    h("label", { for: "order" }, "Order"), order, h("label", { for: "tag" }, "Tag"), tag,
    h("span", {}, pinned, " ", h("label", { for: "pinned" }, "pinned only")),
    h("span", {}, hidden, " ", h("label", { for: "hidden" }, "hidden ones")));
}

class Wall {
  readonly list = h("ul", { class: "wall", "aria-label": "Shapes" });
  readonly more = h("button", { class: "more", type: "button", hidden: true }, "Show more shapes");
  readonly empty = h("div", { class: "empty", hidden: true },
    h("p", {}, "No shapes here yet."), h("p", {}, "They appear as soon as enough images of one have met."));
  private next: string | null = null;
  private shown: ShapeSummary[] = [];
  private cards = new Map<string, HTMLElement>();
  private seen = "";
  private timer = 0;
  private closed = false;

  constructor(readonly listing: Listing) {
    this.more.addEventListener("click", () => void this.extend());
    void this.load(null);
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** Asks anew once the totals are others than before. */
  freshen(totals: string): void {
    const first = !this.seen; // what is being loaded is of these
    if (totals === this.seen) return;
    this.seen = totals;
    if (!first) this.soon();
  }

  /** Asks anew, though not with every change of a busy library. */
  soon(): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.load(null);
    }, FRESH_MS);
  }

  private async extend(): Promise<void> {
    const first = this.shown.length;
    await this.load(this.next);
    this.list.children[first]?.querySelector("a")?.focus();
  }

  private async load(after: string | null): Promise<void> {
    try {
      const page = await api.shapes(this.listing, A_PAGE, after);
      if (!this.closed) this.show(page, after !== null);
    } catch (error) {
      toast(say(error));
    }
  }

  private show(page: Page<ShapeSummary>, appended: boolean): void {
    const fresh = new Set(page.items.map((shape) => shape.id));
    const others = this.shown.filter((shape) => !fresh.has(shape.id));
    // A first page that is asked for again goes before what was shown beyond it.
    const kept = appended || this.shown.length > A_PAGE ? others : [];
    this.shown = appended ? [...kept, ...page.items] : [...page.items, ...kept];
    if (appended || !kept.length) this.next = page.next;
    this.draw();
  }

  private draw(): void {
    // Cards that did not change stay as they are, so nothing flickers and the focus is kept.
    const known = this.cards;
    this.cards = new Map(this.shown.map((shape) => {
      const key = `${shape.id} ${shape.version} ${shape.images} ${shape.name} ${shape.pinned}`;
      return [key, known.get(key) ?? card(shape)];
    }));
    const wanted = [...this.cards.values()];
    for (const old of [...this.list.children]) if (!wanted.includes(old as HTMLElement)) old.remove();
    wanted.forEach((element, i) => {
      const there = this.list.children[i];
      if (there !== element) this.list.insertBefore(element, there ?? null);
    });
    this.empty.hidden = this.shown.length > 0;
    this.more.hidden = !this.next;
  }
}

function card(shape: ShapeSummary): HTMLElement {
  const picture = h("img", { src: api.previewUrl(shape.id, shape.version), alt: "", loading: "lazy", width: 256, height: 256 });
  return h("li", {},
    h("a", { class: "card", href: `#/shape/${shape.id}`, "data-shape": shape.id, "data-version": shape.version },
      h("span", { class: "stage" }, picture),
      h("span", { class: "line" }, h("strong", {}, title("Shape", shape.id, shape.name)),
        h("span", { class: "tag" }, `${shape.pinned ? "pinned · " : ""}v${shape.version}`)),
      h("span", { class: "line dim" }, plural(shape.images, "image"), h("span", {}, `loss ${fixed(shape.loss)}`)),
      bar(1 - shape.loss)));
}

async function fillGrowing(section: HTMLElement): Promise<void> {
  const { items } = await api.clusters({ order: "growth", limit: 100 });
  const waiting = items.filter((cluster) => !cluster.version && cluster.size > 1).slice(0, GROWING);
  const rows = await Promise.all(waiting.map(clusterRow));
  if (!rows.length) return;
  section.replaceChildren(
    h("h2", {}, "Growing clusters"),
    h("p", { class: "dim" }, "Images that look alike, but hold no shape yet."),
    h("ul", { class: "clusters" }, rows));
}

async function clusterRow(cluster: ClusterSummary): Promise<HTMLElement> {
  const { items } = await api.members(cluster.id, 4);
  const crops = items.map((image) => h("img", { src: api.cropUrl(image.id), alt: "", loading: "lazy" }));
  return h("li", {}, h("a", { class: "cluster", href: `#/cluster/${cluster.id}` },
    h("span", { class: "mosaic" }, crops),
    h("span", { class: "text" },
      h("strong", {}, title("Cluster", cluster.id, cluster.name)),
      h("span", { class: "dim" }, plural(cluster.size, "image")),
      h("span", { class: "dim small" }, cluster.reason || "not tried yet"))));
}
