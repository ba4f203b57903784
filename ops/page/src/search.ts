// Search by image: dropped anywhere, pasted or chosen; the shapes most like it, and from where it was taken.

import * as api from "./api";
import { bar, fixed, h, percent, plural, say, title } from "./dom";
import type { QueryMatch, Registration } from "./types";
import type { Context } from "./view";

const REGISTERED = 3;
const SIDE = 224;

/** Meshes that may be asked for, as in daemon/similar.py. */
const MESHES = ["glb", "obj", "ply", "stl", "off"];

let pending: File | null = null;
let again: () => void = () => undefined;

export function dropZone(): HTMLElement {
  const input = h("input", { type: "file", accept: `image/*,${MESHES.map((kind) => `.${kind}`).join()}`, id: "pick", onchange: () => take(input.files) });
  return h("div", { class: "drop" }, input,
    h("label", { for: "pick" }, h("strong", {}, "Drop an image anywhere"), ", paste or choose one to find the shapes most like it; or a mesh (GLB, OBJ, PLY, STL, OFF)"));
}

/** @param show shows the search anew if it is shown already. */
export function listenForImages(show: () => void): void {
  again = show;
  const body = document.body;
  const carriesFile = (event: DragEvent): boolean => [...(event.dataTransfer?.types ?? [])].includes("Files");
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
    take(event.dataTransfer?.files);
  });
  addEventListener("paste", (event) => take(event.clipboardData?.files));
}

function take(files: FileList | null | undefined): void {
  const file = files?.[0];
  if (!file) return;
  pending = file;
  if (location.hash === "#/search") again();
  else location.hash = "#/search";
}

export async function showSearch({ main, isCurrent }: Context): Promise<() => void> {
  const file = pending;
  const answer = h("div", { class: "answer", "aria-live": "polite" });
  const asked = h("canvas", { class: "asked", width: SIDE, height: SIDE, role: "img", "aria-label": "your image", hidden: !file });
  main.replaceChildren(h("article", { class: "search" },
    h("h1", {}, "Shapes most like what you have"), dropZone(),
    h("div", { class: "columns" }, asked, answer)));
  const mesh = file ? meshFormat(file) : null;
  if (file && mesh) {
    asked.hidden = true;
    void lookByForm(file, mesh, answer, isCurrent);
    return () => undefined;
  }
  if (!file) {
    answer.append(h("p", { class: "dim" }, "Drop an image or a mesh to begin."));
    return () => undefined;
  }
  paint(asked, file).catch(() => { asked.hidden = true; });
  void look(file, answer, isCurrent);
  return () => undefined;
}

function meshFormat(file: File): string | null {
  const suffix = file.name.split(".").at(-1)?.toLowerCase() ?? "";
  return MESHES.includes(suffix) ? suffix : null;
}

async function lookByForm(file: File, format: string, answer: HTMLElement, isCurrent: () => boolean): Promise<void> {
  answer.replaceChildren(h("p", { class: "busy" }, `Comparing the form of ${file.name}…`));
  try {
    const [found, { alikeList }] = await Promise.all([api.similarToMesh(file, format), import("./alike")]);
    if (isCurrent()) answer.replaceChildren(h("p", { class: "dim" }, `Shapes of a form like that of ${file.name}, y up.`), alikeList(found));
  } catch (error) {
    if (isCurrent()) answer.replaceChildren(h("p", { class: "note" }, say(error)));
  }
}

/** First what is near, which is quick; then from where the image was taken, which takes seconds a shape. */
async function look(file: File, answer: HTMLElement, isCurrent: () => boolean): Promise<void> {
  answer.replaceChildren(h("p", { class: "busy" }, "Looking…"));
  try {
    const found = await api.query(file, 0);
    if (!isCurrent()) return;
    show(answer, found, found.some((match) => match.shape) ? "Finding out from where it was taken…" : "");
    if (!found.some((match) => match.shape)) return;
    const registered = await api.query(file, REGISTERED);
    if (isCurrent()) show(answer, registered, "");
  } catch (error) {
    if (isCurrent()) answer.append(h("p", { class: "note" }, say(error)));
    answer.querySelector(".busy")?.remove();
  }
}

function show(answer: HTMLElement, matches: QueryMatch[], busy: string): void {
  answer.replaceChildren(...[
    busy ? [h("p", { class: "busy" }, busy)] : [],
    matches.length ? [h("ol", { class: "hits" }, matches.map(hit))]
      : [h("p", { class: "dim" }, "The library holds nothing like it.")],
  ].flat());
}

function hit(match: QueryMatch): HTMLElement {
  const { shape, registration } = match;
  const text = h("span", { class: "text" },
    h("strong", {}, shape ? title("Shape", match.cluster, shape.name) : `Cluster ${match.cluster}, no shape yet`),
    h("span", { class: "dim" }, `${plural(match.size, "image")}, ${match.votes} of the nearest`),
    h("span", { class: "dim" }, `similarity ${fixed(match.score)}`), bar(match.score),
    registration ? h("span", { class: "pose" }, pose(registration)) : null);
  const href = shape ? `#/shape/${match.cluster}` : `#/cluster/${match.cluster}`;
  return h("li", {}, h("a", { class: registration ? "hit registered" : "hit", href }, picture(match), text));
}

function pose(found: Registration): string {
  if (found.stranger) return "It does not seem to show this shape.";
  return `Taken from azimuth ${found.azimuth.toFixed(0)}°, elevation ${found.elevation.toFixed(0)}°, loss ${fixed(found.loss)}` +
    (found.certainty === null ? "" : ` · ${percent(found.certainty)} sure`);
}

function picture(match: QueryMatch): HTMLElement {
  if (match.registration) return overlay(match.registration);
  const src = match.shape ? api.previewUrl(match.cluster, match.shape.version) : api.cropUrl(match.nearest_image);
  return h("img", { alt: "", width: 96, height: 96, src });
}

/** The shape drawn over the image; on a canvas, since the page's policy allows no pictures out of addresses. */
function overlay({ overlay: base64 }: Registration): HTMLElement {
  const canvas = h("canvas", { class: "overlay", width: SIDE, height: SIDE, role: "img", "aria-label": "the shape laid over your image" });
  const raw = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  paint(canvas, new Blob([raw], { type: "image/png" }))
    .then(() => { canvas.dataset.drawn = "true"; })
    .catch(() => { canvas.hidden = true; });
  return canvas;
}

async function paint(canvas: HTMLCanvasElement, file: Blob): Promise<void> {
  const image = await createImageBitmap(file);
  const scale = Math.min(canvas.width / image.width, canvas.height / image.height);
  const [width, height] = [image.width * scale, image.height * scale];
  canvas.getContext("2d")?.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
}
