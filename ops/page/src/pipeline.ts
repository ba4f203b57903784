// The state of the pipeline: stage by stage, the shards, what broke, and the latest changes as they come.

import * as api from "./api";
import { confirmed } from "./confirm";
import { ago, bar, bytes, count, h, plural, say, toast, words } from "./dom";
import type { ChangeSummary, LibraryStatus, PipelineState, ShardSummary } from "./types";
import type { Context } from "./view";

const CHANGES = 30;
const POLL_MS = 3000;

export async function showPipeline({ main, live, isCurrent }: Context): Promise<() => void> {
  const latest = await api.moment();
  const begun = latest ? (await api.changesUpTo(latest.id, CHANGES)).items : [];
  if (!isCurrent()) return () => undefined;
  const health = h("p", { class: "health", role: "status" });
  const stages = h("ol", { class: "stages", "aria-label": "Stages" });
  const shards = h("section", { class: "shards", "aria-label": "Shards" });
  const broken = h("section", { class: "broken", "aria-label": "Quarantine" });
  const feed = h("ol", { class: "feed" }, [...begun].reverse().map(row));
  main.replaceChildren(h("article", { class: "pipeline" }, h("h1", {}, "Pipeline"), health, stages,
    h("div", { class: "halves" }, h("div", {}, shards, broken),
      h("section", { "aria-label": "Latest changes" }, h("h2", {}, "Latest changes"), feed))));
  let timer = 0;
  let closed = false;
  const refresh = async (): Promise<void> => {
    try {
      const [state, unready] = await Promise.all([api.pipeline(), api.unready()]);
      if (closed) return;
      health.className = unready ? "health bad" : "health";
      health.textContent = unready || state.said;
      if (live.latest) stages.replaceChildren(...stageList(state, live.latest));
    } catch (error) {
      health.className = "health bad";
      health.textContent = say(error);
    }
    if (!closed) timer = window.setTimeout(() => void refresh(), POLL_MS);
  };
  const leave = live.join({
    status: (status) => { if (!stages.children.length) stages.replaceChildren(...stageList(null, status)); },
    change: (change) => {
      feed.prepend(row(change));
      while (feed.children.length > CHANGES) feed.lastElementChild?.remove();
    },
  });
  void refresh();
  void fillShards(shards).catch((error: unknown) => toast(say(error)));
  void fillBroken(broken).catch((error: unknown) => toast(say(error)));
  return () => {
    closed = true;
    clearTimeout(timer);
    leave();
  };
}

function stageList(state: PipelineState | null, status: LibraryStatus): HTMLElement[] {
  const running = state?.running ? state : null;
  const spent = (stage: string): string => {
    const seconds = running?.stage_seconds[stage];
    return seconds === undefined ? "" : `${seconds.toFixed(0)} s spent`;
  };
  const stage = (name: string, figure: string, ...more: string[]): HTMLElement =>
    h("li", {}, h("h2", {}, name), h("strong", {}, figure), more.filter(Boolean).map((text) => h("span", { class: "dim" }, text)));
  return [
    stage("Read", `${count(status.shards_done)} of ${count(status.shards)} shards`,
      running ? `${count(running.waiting_shards)} waiting` : "", running?.shard ?? "", spent("read")),
    stage("Embed", running ? `${running.images_per_second.toFixed(1)} images a second` : `${status.backbone} backbone`,
      running ? `${plural(running.in_flight, "batch", "batches")} in flight` : "", spent("embed")),
    stage("Store", plural(status.images, "image"), `${count(status.rejected)} rejected`, bytes(status.store_bytes), spent("commit")),
    stage("Cluster", plural(status.clusters, "cluster"), `${plural(status.outliers, "image")} in none`, `by ${status.clusterer}`),
    stage("Reconstruct", running ? `${running.recon_running} under way` : `${count(status.reconstructions)} tried`,
      running ? `${count(running.recon_queue)} due` : "", running ? `${count(status.reconstructions)} tried` : ""),
    stage("Publish", plural(status.shapes, "shape"), `${plural(status.quarantined, "cluster")} in quarantine`),
  ];
}

async function fillShards(section: HTMLElement): Promise<void> {
  const list = h("ul", { class: "list" });
  const more = h("button", { type: "button", class: "more", hidden: true }, "Show more shards");
  let next: string | null = null;
  const toggle = async (shard: ShardSummary): Promise<void> => {
    const [verb, action] = shard.quarantined ? (["Release", "release"] as const) : (["Put in quarantine", "quarantine"] as const);
    try {
      if (!(await confirmed(`${verb}: ${plural(shard.stored, "image")} of ${shard.url}, and those it will yield?`, verb))) return;
      await api.edit({ type: "source", url: shard.url, action });
      list.replaceChildren();
      next = null;
      await extend();
    } catch (error) {
      toast(say(error));
    }
  };
  const extend = async (): Promise<void> => {
    const page = await api.shards(next);
    next = page.next;
    more.hidden = !next;
    list.append(...page.items.map((shard) => h("li", {},
      h("span", { class: "path" }, shard.url),
      h("span", { class: "dim small" }, `${shard.done ? "done" : "being read"}: ${plural(shard.stored, "image")}, ` +
        `${count(shard.rejected)} rejected${shard.blocked ? ", deleted" : ""}${shard.quarantined ? ", in quarantine" : ""}`),
      bar(shard.stored / Math.max(1, shard.stored + shard.rejected)),
      shard.blocked ? null : h("button", { type: "button", class: "small-button", "aria-label": `${shard.quarantined ? "Release" : "Quarantine"} ${shard.url}`, onclick: () => void toggle(shard) },
        shard.quarantined ? "Release" : "Quarantine"))));
  };
  more.addEventListener("click", () => void extend().catch((error: unknown) => toast(say(error))));
  section.replaceChildren(h("h2", {}, "Shards"), h("p", { class: "dim small" }, "The bar is the share of samples that were kept."), list, more);
  await extend();
}

async function fillBroken(section: HTMLElement): Promise<void> {
  const { items } = await api.clusters({ quarantined: true, limit: 20 });
  section.replaceChildren(h("h2", {}, "In quarantine"), items.length
    ? h("ul", { class: "list" }, items.map((cluster) => h("li", {},
      h("a", { href: `#/cluster/${cluster.id}` }, `Cluster ${cluster.id}`),
      h("span", { class: "dim small" }, `${plural(cluster.size, "image")}, ${plural(cluster.failures, "failure")}: ${cluster.reason}`))))
    : h("p", { class: "dim" }, "No cluster."));
}

function row(change: ChangeSummary): HTMLElement {
  const about = change.cluster === null ? null : h("a", { href: `#/cluster/${change.cluster}` }, `cluster ${change.cluster}`);
  const told = [change.version === null ? "" : `version ${change.version}`, change.count ? plural(change.count, "image") : "", change.detail];
  return h("li", {}, h("span", { class: `kind ${change.kind}` }, words(change.kind)), " ", about, " ",
    h("span", {}, told.filter(Boolean).join(", ")), " ", h("span", { class: "dim small" }, ago(change.time)));
}
