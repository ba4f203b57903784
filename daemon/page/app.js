// The page: the counters, and which of the three views is shown.

import * as api from "./api.js";
import { count, h } from "./dom.js";
import { showLogin } from "./login.js";
import { listenForDrops, showQuery } from "./query.js";
import { failed, showShape } from "./shape.js";
import { showWall } from "./wall.js";

const POLL_MS = 2000;
const main = document.getElementById("main");
const counters = document.getElementById("counters");
const live = document.getElementById("live");
const COUNTERS = [
  ["images", (s) => s.images], ["clusters", (s) => s.clusters], ["shapes", (s) => s.shapes],
  ["tries", (s) => s.reconstructions], ["rejected", (s) => s.rejected],
];

let close = null;
let onStatus = null;
let latest = null;
let turn = 0;
let locked = false;

async function route() {
  if (locked) return;
  const mine = (turn += 1);
  close?.();
  close = onStatus = null;
  const [, name, id, version] = location.hash.split("/");
  try {
    if (name === "shape") {
      const closer = await showShape(main, Number(id), version ? Number(version) : null);
      if (mine === turn) close = closer;
      else closer();
    } else if (name === "query") {
      await showQuery(main);
    } else {
      onStatus = showWall(main);
      if (latest) onStatus(latest);
    }
    if (mine === turn && name) main.focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    if (error.status === 401) lock();
    else if (mine === turn) failed(main, error);
  }
}

function lock() {
  if (locked) return;
  locked = true;
  close?.();
  close = onStatus = null;
  live.textContent = "";
  showLogin(main);
}

function tell(status) {
  const changed = latest && latest.images !== status.images;
  latest = status;
  counters.replaceChildren(...COUNTERS.map(([name, value]) =>
    h("div", { class: name }, h("dt", {}, name), h("dd", {}, count(value(status))))));
  const reading = status.shards_done < status.shards || changed;
  live.className = reading ? "live on" : "live";
  live.textContent = reading
    ? `reading, ${count(status.shards_done)} of ${count(status.shards)} shards done` : "all shards read";
  document.getElementById("origin").textContent =
    `${status.backbone} backbone · ${status.clusterer} clustering · ${count(status.outliers)} images in no cluster`;
  onStatus?.(status);
}

async function poll() {
  try {
    if (!document.hidden) tell(await api.status());
  } catch (error) {
    if (error.status === 401) {
      lock(); // logging in loads the page anew
      return;
    }
    live.className = "live off";
    live.textContent = error instanceof TypeError ? "the daemon does not answer" : error.message;
  }
  setTimeout(poll, POLL_MS);
}

addEventListener("hashchange", route);
listenForDrops();
route();
poll();
