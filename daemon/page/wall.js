// The wall of shapes, and below it the clusters that have none yet.

import * as api from "./api.js";
import { bar, count, fixed, h, plural, toast } from "./dom.js";
import { dropZone } from "./query.js";

const GROWING = 12;

export function showWall(main) {
  const wall = h("ul", { class: "wall", "aria-label": "Shapes" });
  const more = h("button", { class: "more", hidden: true }, "Show more shapes");
  const growing = h("section", { class: "growing", hidden: true });
  const empty = h("div", { class: "empty", hidden: true },
    h("p", {}, "No shapes yet."), h("p", {}, "They appear here as soon as enough images of one have met."));
  main.replaceChildren(dropZone(), h("h1", { class: "visually-hidden" }, "Shape library"), wall, empty, more, growing);
  const state = { wall, more, growing, empty, next: null, shown: 48, seen: "" };
  more.addEventListener("click", () => {
    state.shown += 48;
    fill(state).catch((error) => toast(error.message));
  });
  return (status) => {
    const now = `${status.shapes} ${status.reconstructions} ${status.clusters}`;
    if (now === state.seen) return;
    state.seen = now;
    Promise.all([fill(state), fillGrowing(state)]).catch((error) => toast(error.message));
  };
}

async function fill(state) {
  const page = await api.shapes(null, Math.min(state.shown, 1000));
  const known = new Map([...state.wall.children].map((card) => [card.dataset.key, card]));
  // Cards that did not change stay as they are, so nothing flickers and the focus is kept.
  const cards = page.items.map((shape) => known.get(cardKey(shape)) ?? card(shape));
  if (cards.some((element, i) => state.wall.children[i] !== element) || cards.length !== known.size) {
    state.wall.replaceChildren(...cards);
  }
  state.empty.hidden = page.items.length > 0;
  state.more.hidden = !page.next;
}

const cardKey = (shape) => `${shape.id} ${shape.version} ${shape.images}`;

function card(shape) {
  return h("li", { "data-key": cardKey(shape) },
    h("a", { class: "card", href: `#/shape/${shape.id}` },
      h("span", { class: "stage" },
        h("img", { src: api.previewUrl(shape.id, shape.version), alt: "", loading: "lazy", width: 256, height: 256 })),
      h("span", { class: "line" }, h("strong", {}, `Shape ${shape.id}`), h("span", { class: "tag" }, `v${shape.version}`)),
      h("span", { class: "line dim" }, plural(shape.images, "image"), h("span", {}, `loss ${fixed(shape.loss)}`)),
      bar(1 - shape.loss)));
}

async function fillGrowing(state) {
  const { items } = await api.clusters(200);
  const waiting = items.filter((cluster) => cluster.state === "open" && !cluster.version && cluster.size > 1);
  const rows = await Promise.all(waiting.slice(0, GROWING).map(clusterRow));
  state.growing.hidden = !rows.length;
  state.growing.replaceChildren(
    h("h2", {}, "Growing clusters"),
    h("p", { class: "dim" }, "Images that look alike, but hold no shape yet."),
    h("ul", { class: "clusters" }, rows));
}

async function clusterRow(cluster) {
  const { items } = await api.members(cluster.id, 4);
  const crops = items.map((image) => h("img", { src: api.cropUrl(image.id), alt: "", loading: "lazy" }));
  return h("li", { class: "cluster" },
    h("span", { class: "mosaic" }, crops),
    h("span", { class: "text" },
      h("strong", {}, `Cluster ${cluster.id}`),
      h("span", { class: "dim" }, `${count(cluster.size)} images`),
      h("span", { class: "dim small" }, cluster.reason || "not tried yet")));
}
