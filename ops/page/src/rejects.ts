// What was refused: how much for which reason, and each of it.

import * as api from "./api";
import { ago, count, h, plural, say, toast, words } from "./dom";
import type { Context } from "./view";

const HEADS = ["Reason", "Sample", "Shard", "What was found", "When"];

export async function showRejects({ main, query, isCurrent }: Context): Promise<() => void> {
  const reason = query.get("reason");
  const { rejected, rejects_by_reason } = await api.status();
  if (!isCurrent()) return () => undefined;
  const body = h("tbody");
  const more = h("button", { type: "button", class: "more", hidden: true }, "Show more");
  let next: string | null = null;
  const extend = async (): Promise<void> => {
    try {
      const page = await api.rejects(reason, next);
      body.append(...page.items.map((item) => h("tr", {},
        [words(item.reason), item.key, item.shard, item.detail, ago(item.time)].map((text, i) =>
          h("td", { "data-head": HEADS[i] }, text)))));
      next = page.next;
      more.hidden = !next;
    } catch (error) {
      toast(say(error));
    }
  };
  more.addEventListener("click", () => void extend());
  const chip = (text: string, href: string, chosen: boolean): HTMLElement =>
    h("li", {}, h("a", { class: "chip", href, "aria-current": chosen ? "true" : null }, text));
  main.replaceChildren(h("article", {},
    h("h1", {}, "Rejects"),
    h("p", { class: "dim" }, `${plural(rejected, "sample, member or shard was", "samples, members and shards were")} refused; oldest first.`),
    h("ul", { class: "chips", "aria-label": "Reasons" },
      chip(`all ${count(rejected)}`, "#/rejects", !reason),
      Object.entries(rejects_by_reason).map(([name, number]) =>
        chip(`${words(name)} ${count(number)}`, `#/rejects?reason=${encodeURIComponent(name)}`, name === reason))),
    h("table", { class: "rows" }, h("thead", {}, h("tr", {}, HEADS.map((head) => h("th", { scope: "col" }, head)))), body),
    more));
  await extend();
  return () => undefined;
}
