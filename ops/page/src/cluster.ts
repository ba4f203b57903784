// One cluster: its state, what people say of it, and the images in it.

import * as api from "./api";
import { Choosing } from "./choosing";
import { h, plural, say, title, toast } from "./dom";
import { Said } from "./said";
import type { ClusterSummary } from "./types";
import type { Context } from "./view";

const A_PAGE = 48;

export async function showCluster({ main, rest, isCurrent }: Context): Promise<() => void> {
  const id = Number(rest[0]);
  const cluster = await api.cluster(id);
  if (!isCurrent()) return () => undefined;
  const list = h("ul", { class: "grid", "aria-label": "Images" });
  const more = h("button", { type: "button", class: "more", hidden: true }, "Show more images");
  const heading = h("h1", {}, title("Cluster", id, cluster.name));
  const facts = h("p", {}, ...told(cluster));
  let next: string | null = null;
  const extend = async (): Promise<void> => {
    try {
      const page = await api.members(id, A_PAGE, next);
      list.append(...page.items.map((image) => choosing.item(image)));
      next = page.next;
      more.hidden = !next;
    } catch (error) {
      toast(say(error));
    }
  };
  const anew = async (): Promise<void> => {
    next = null;
    list.replaceChildren();
    facts.replaceChildren(...told(await api.cluster(id)));
    await extend();
  };
  const choosing = new Choosing(() => void anew().catch((error: unknown) => toast(say(error))));
  more.addEventListener("click", () => void extend());
  main.replaceChildren(h("article", { class: "cluster-page" },
    h("nav", { "aria-label": "Back" }, h("a", { href: "#/" }, "← All shapes")), heading, facts,
    cluster.state === "open" ? new Said(cluster, (now) => {
      heading.textContent = title("Cluster", id, now.name);
      facts.replaceChildren(...told(now));
    }).element : null,
    h("h2", {}, "Its images"), h("p", { class: "dim" }, "Choose images to put them in quarantine or to delete them."),
    choosing.element, list, more));
  await extend();
  return () => undefined;
}

function told(cluster: ClusterSummary): (Node | string)[] {
  const state = cluster.state === "open" ? cluster.reason || cluster.verdict || "not tried yet" : `${cluster.state}: its images are elsewhere`;
  return [`${plural(cluster.size, "image")}, ${plural(cluster.attempts, "reconstruction")} tried. `,
    cluster.version ? h("a", { href: `#/shape/${cluster.id}` }, `Its shape, version ${cluster.version}`) : state];
}
