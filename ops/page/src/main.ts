// The page: the header with what is live, and which view is shown.

import { ApiError } from "./api";
import { byId, count, h, say, toast } from "./dom";
import { Live } from "./live";
import { showLogin } from "./login";
import { listenForImages, showSearch } from "./search";
import { showWall } from "./wall";
import type { LibraryStatus } from "./types";
import type { View } from "./view";

const VIEWS: [string, string][] = [
  ["", "Shapes"], ["search", "Search"], ["map", "Map"], ["past", "Then"], ["rejects", "Rejects"], ["pipeline", "Pipeline"],
];
const PARENTS: Record<string, string> = { shape: "", cluster: "", compare: "" };
const main = byId("main");
const lamp = byId("live");

let close: (() => void) | null = null;
let turn = 0;
let locked = false;

const live = new Live({ lost });

/** The views that are not the first to be seen are loaded when they are wanted. */
async function viewOf(name: string): Promise<View> {
  switch (name) {
    case "shape": return (await import("./shape")).showShape;
    case "cluster": return (await import("./cluster")).showCluster;
    case "compare": return (await import("./compare")).showCompare;
    case "past": return (await import("./past")).showPast;
    case "map": return (await import("./map")).showMap;
    case "rejects": return (await import("./rejects")).showRejects;
    case "pipeline": return (await import("./pipeline")).showPipeline;
    case "search": return showSearch;
    default: return showWall;
  }
}

async function route(): Promise<void> {
  if (locked) return;
  const mine = (turn += 1);
  close?.();
  close = null;
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [name = "", ...rest] = path.split("/");
  mark(PARENTS[name] ?? name);
  try {
    const view = await viewOf(name);
    if (mine !== turn) return;
    const closer = await view({ main, live, rest, query: new URLSearchParams(query), isCurrent: () => mine === turn });
    if (mine === turn) close = closer;
    else closer();
    if (mine === turn && mine > 1) main.focus({ preventScroll: true });
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) lock();
    else if (mine === turn) failed(error);
  }
  if (mine === turn) scrollTo(0, 0);
}

function mark(current: string): void {
  byId("views").replaceChildren(...VIEWS.map(([name, text]) =>
    h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, text)));
}

function failed(error: unknown): void {
  main.replaceChildren(h("div", { class: "empty" },
    h("h1", {}, "That can't be shown"), h("p", {}, say(error)), h("p", {}, h("a", { href: "#/" }, "To all shapes"))));
  toast(say(error));
}

function lock(): void {
  if (locked) return;
  locked = true; // logging in loads the page anew
  live.stop();
  close?.();
  lamp.textContent = "";
  showLogin(main);
}

function lost(error: unknown): void {
  if (error instanceof ApiError && error.status === 401) {
    lock();
    return;
  }
  lamp.className = "live off";
  lamp.textContent = error instanceof TypeError ? "the daemon does not answer" : say(error);
}

let before: LibraryStatus | null = null;

function tell(status: LibraryStatus): void {
  const reading = status.shards_done < status.shards || (before !== null && before.images !== status.images);
  before = status;
  lamp.className = reading ? "live on" : "live";
  const text = reading ? `reading, ${count(status.shards_done)} of ${count(status.shards)} shards done` : "all shards read";
  if (lamp.textContent !== text) lamp.textContent = text;
  byId("origin").textContent =
    `${status.backbone} backbone · ${status.clusterer} clustering · ${count(status.outliers)} images in no cluster`;
}

/** Dark or light as the system has it, unless a person chose otherwise. */
function theme(): void {
  const button = byId<HTMLButtonElement>("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const show = (): void => {
    const chosen = localStorage.getItem("theme");
    const dark = chosen ? chosen === "dark" : system.matches;
    if (chosen) document.documentElement.dataset.theme = chosen;
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
  };
  button.addEventListener("click", () => {
    localStorage.setItem("theme", button.textContent === "Light" ? "light" : "dark");
    show();
    dispatchEvent(new Event("theme"));
  });
  system.addEventListener("change", show);
  show();
}

theme();
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // the address says which view is shown
  main.focus();
});
addEventListener("hashchange", () => void route());
listenForImages(() => void route());
live.join({ status: tell });
live.start();
void route();
