// One cluster: its state, and the images in it.

import * as api from "./api";
import { h, plural, say, title, toast } from "./dom";
import type { Context } from "./view";

const A_PAGE = 48;

export async function showCluster({ main, rest, isCurrent }: Context): Promise<() => void> {
  const id = Number(rest[0]);
  const cluster = await api.cluster(id);
  if (!isCurrent()) return () => undefined;
  const list = h("ul", { class: "grid", "aria-label": "Images" });
  const more = h("button", { type: "button", class: "more", hidden: true }, "Show more images");
  let next: string | null = null;
  const extend = async (): Promise<void> => {
    try {
      const page = await api.members(id, A_PAGE, next);
      list.append(...page.items.map((image) => h("li", { class: "photo" },
        h("img", { src: api.cropUrl(image.id), alt: `image ${image.id}`, loading: "lazy", width: 112, height: 112 }),
        h("span", {}, `image ${image.id}`))));
      next = page.next;
      more.hidden = !next;
    } catch (error) {
      toast(say(error));
    }
  };
  more.addEventListener("click", () => void extend());
  const state = cluster.state === "open" ? cluster.reason || cluster.verdict || "not tried yet" : `${cluster.state}: its images are elsewhere`;
  main.replaceChildren(h("article", {},
    h("nav", { "aria-label": "Back" }, h("a", { href: "#/" }, "← All shapes")),
    h("h1", {}, title("Cluster", id, cluster.name)),
    h("p", {}, `${plural(cluster.size, "image")}, ${plural(cluster.attempts, "reconstruction")} tried. `,
      cluster.version ? h("a", { href: `#/shape/${id}` }, `Its shape, version ${cluster.version}`) : state),
    list, more));
  await extend();
  return () => undefined;
}
