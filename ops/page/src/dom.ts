// Small helpers to build elements without a framework. Text is always set as text, never as markup.

type Child = Node | string | null | undefined;
type Children = Child | Child[];
type Value = string | number | boolean | null | undefined | ((event: never) => void);

function fill(element: Element, attributes: Record<string, Value>, children: Children[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat().filter((child): child is Node | string => child !== null && child !== undefined));
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K, attributes: Record<string, Value> = {}, ...children: Children[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

export function s<K extends keyof SVGElementTagNameMap>(
  tag: K, attributes: Record<string, Value> = {}, ...children: Children[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  fill(element, attributes, children);
  return element;
}

export function byId<T extends HTMLElement>(id: string): T {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no element ${id}`);
  return element as T;
}

export const count = (value: number): string => value.toLocaleString("en");

export function plural(value: number, noun: string, nouns = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`;
}

export const fixed = (value: number): string => value.toFixed(3);

export const percent = (value: number): string => `${Math.round(100 * value)} %`;

export const signed = (value: number): string => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

export const words = (name: string): string => name.replaceAll("_", " ");

export const calm = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

const UNITS: [string, number][] = [["day", 86400], ["hour", 3600], ["minute", 60]];

export function ago(time: number): string {
  const seconds = Math.max(0, Date.now() / 1000 - time);
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `${plural(Math.round(seconds / length), unit)} ago`;
  }
  return "just now";
}

export function bytes(value: number): string {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(value, 1)) / 10));
  return `${(value / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

/** A bar for a figure in [0, 1]; the figure itself stands beside it as text. */
export function bar(value: number): HTMLElement {
  const filled = h("span");
  filled.style.setProperty("--value", String(Math.min(1, Math.max(0, value || 0))));
  return h("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** What people call a cluster or its shape, else its kind and number. */
export const title = (kind: string, id: number, name: string): string => name || `${kind} ${id}`;

let hide = 0;

export function toast(message: string): void {
  const element = byId("toast");
  element.textContent = message;
  element.hidden = false;
  clearTimeout(hide);
  hide = window.setTimeout(() => { element.hidden = true; }, 6000);
}

export const say = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Once an element is about to be seen. */
export function whenSeen(element: Element, act: () => void): void {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    observer.disconnect();
    act();
  }, { rootMargin: "200px" });
  observer.observe(element);
}
