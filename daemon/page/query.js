// Search by image: a drop zone, and the shapes most like what was dropped.

import * as api from "./api.js";
import { bar, fixed, h, plural } from "./dom.js";

let pending = null;

export function dropZone() {
  const input = h("input", { type: "file", accept: "image/*", id: "pick", onchange: () => take(input.files) });
  return h("div", { class: "drop" }, input,
    h("label", { for: "pick" }, h("strong", {}, "Drop an image anywhere"), " or choose one to find the shapes most like it"));
}

export function listenForDrops() {
  const body = document.body;
  const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  body.addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    body.classList.add("dropping");
  });
  body.addEventListener("dragleave", (event) => { if (!event.relatedTarget) body.classList.remove("dropping"); });
  body.addEventListener("drop", (event) => {
    body.classList.remove("dropping");
    if (!carriesFile(event)) return;
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

function take(files) {
  if (!files.length) return;
  pending = files[0];
  if (location.hash === "#/query") dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = "#/query";
}

export async function showQuery(main) {
  const file = pending;
  const canvas = h("canvas", { class: "asked", width: 224, height: 224, role: "img", "aria-label": "your image" });
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  main.replaceChildren(h("article", { class: "query" },
    h("nav", {}, h("a", { href: "#/" }, "← All shapes")), dropZone(),
    h("h1", {}, "Shapes most like your image"),
    h("div", { class: "columns" }, file ? canvas : null, answer)));
  if (!file) {
    answer.append(h("p", { class: "dim" }, "Drop an image to begin."));
    return;
  }
  answer.append(h("p", { class: "busy" }, "Looking…"));
  paint(canvas, file).catch(() => canvas.remove());
  try {
    const { items } = await api.query(file);
    answer.replaceChildren(items.length
      ? h("ol", { class: "hits" }, items.map(hit)) : h("p", { class: "dim" }, "The library holds nothing like it."));
  } catch (error) {
    answer.replaceChildren(h("p", { class: "note" }, error.message));
  }
}

async function paint(canvas, file) {
  const image = await createImageBitmap(file);
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  canvas.getContext("2d").drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}

function hit(match) {
  const picture = h("img", { alt: "", width: 96, height: 96,
    src: match.shape ? api.previewUrl(match.cluster, match.shape.version) : api.cropUrl(match.nearest_image) });
  const text = h("span", { class: "text" },
    h("strong", {}, match.shape ? `Shape ${match.cluster}` : `Cluster ${match.cluster}`),
    h("span", { class: "dim" }, `${plural(match.size, "image")}, ${match.votes} of the nearest`),
    h("span", { class: "dim" }, `similarity ${fixed(match.score)}`), bar(match.score));
  return h("li", {}, match.shape
    ? h("a", { class: "hit", href: `#/shape/${match.cluster}` }, picture, text) : h("div", { class: "hit" }, picture, text));
}
