// Small helpers to build elements without a framework. Text is always set as text, never as markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const count = (value) => value.toLocaleString("en");

export const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

export const fixed = (value) => (typeof value === "number" ? value.toFixed(3) : "–");

export function ago(time) {
  const seconds = Math.max(0, Date.now() / 1000 - time);
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
    if (seconds >= length) return `${plural(Math.round(seconds / length), unit)} ago`;
  }
  return "just now";
}

// A bar for a figure in [0, 1]; the figure itself stands beside it as text.
export function bar(value) {
  const element = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
  element.firstChild.style.setProperty("--value", Math.min(1, Math.max(0, value || 0)));
  return element;
}

let hide = 0;

export function toast(message) {
  const element = document.getElementById("toast");
  element.textContent = message;
  element.hidden = false;
  clearTimeout(hide);
  hide = setTimeout(() => { element.hidden = true; }, 6000);
}
