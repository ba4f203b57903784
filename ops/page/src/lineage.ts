// Where a cluster came from and what became of it: lanes of clusters over the images committed so far.

import * as api from "./api";
import { count, h, plural, s, say, words } from "./dom";
import type { LineageSummary } from "./types";

const LANES = 12;
const [WIDE, LANE, EDGE, NAMES] = [640, 26, 14, 96];

export async function drawLineage(section: HTMLElement, cluster: number): Promise<void> {
  section.replaceChildren(h("h2", {}, "Lineage"));
  try {
    const { items, next } = await api.lineage(cluster);
    section.append(items.length ? graph(items, cluster) : h("p", { class: "dim" }, "Nothing is recorded of it."));
    section.append(h("ol", { class: "events" }, items.map(event)));
    if (next) section.append(h("p", { class: "dim" }, "Only the first hundred events are shown."));
  } catch (error) {
    section.append(h("p", { class: "note" }, say(error)));
  }
}

function event(item: LineageSummary): HTMLElement {
  const links = item.others.map((id) => h("a", { href: `#/cluster/${id}` }, `cluster ${id}`));
  const listed = links.flatMap((link, i) => (i ? [", ", link] : [link]));
  const said: Record<string, string> = { created: "appeared", merged: "took in", split: "left", dissolved: "dissolved" };
  return h("li", {},
    h("span", { class: "dim" }, `after ${plural(item.at, "image")}: `),
    h("a", { href: `#/cluster/${item.cluster}` }, `cluster ${item.cluster}`), ` ${said[item.kind] ?? words(item.kind)} `, listed);
}

function graph(items: LineageSummary[], cluster: number): SVGSVGElement {
  const ids = [...new Set([cluster, ...items.flatMap((item) => [item.cluster, ...item.others])])];
  const lanes = new Map(ids.slice(0, LANES).map((id, i) => [id, i]));
  const [first, last] = [Math.min(...items.map((item) => item.at)), Math.max(...items.map((item) => item.at))];
  const x = (at: number): number => NAMES + ((at - first) / (last - first || 1)) * (WIDE - NAMES - 3 * EDGE);
  const y = (lane: number): number => EDGE + lane * LANE;
  const high = 2 * EDGE + (lanes.size - 1) * LANE;
  const rows = [...lanes].map(([id, lane]) => {
    const own = items.filter((item) => item.cluster === id || item.others.includes(id)).map((item) => x(item.at));
    const end = id === cluster ? WIDE - EDGE : Math.max(...own) + EDGE;
    return s("g", { class: id === cluster ? "own" : "other" },
      s("text", { x: 0, y: y(lane) + 4 }, `cluster ${id}`),
      s("line", { x1: Math.min(...own, end), x2: end, y1: y(lane), y2: y(lane) }));
  });
  const joints = items.flatMap((item) => {
    const from = lanes.get(item.cluster);
    if (from === undefined) return [];
    const bends = item.others.flatMap((id) => {
      const lane = lanes.get(id);
      if (lane === undefined) return [];
      return [s("line", { class: `bend ${item.kind}`, x1: x(item.at), x2: x(item.at), y1: y(lane), y2: y(from) })];
    });
    return [...bends, s("circle", { class: item.kind, cx: x(item.at), cy: y(from), r: 4.5 },
      s("title", {}, `${item.kind} after ${count(item.at)} images`))];
  });
  return s("svg", { class: "lanes", viewBox: `0 0 ${WIDE} ${high}`, role: "img",
    "aria-label": `Lineage graph of ${plural(ids.length, "cluster")}; the list below says the same` }, rows, joints);
}
