// One shape: the 3D view, its figures, its versions, and the images it was fitted to.

import * as api from "./api.js";
import { ago, bar, count, fixed, h, plural, toast } from "./dom.js";
import { parsePly } from "./mesh.js";
import { Viewer } from "./viewer.js";

const HELP = "3D view. Drag or use the arrow keys to turn, wheel or + and - to zoom, space to spin, 0 to reset.";

export async function showShape(main, id, version) {
  const [shape, versions, cameras] = await Promise.all([
    api.shape(id, version), api.versions(id), api.cameras(id, version)]);
  const canvas = h("canvas", { class: "canvas", tabindex: 0, role: "img", "aria-label": HELP });
  const caption = h("p", { class: "caption", "aria-live": "polite" }, "drag to turn · wheel to zoom · space to spin");
  const tools = h("div", { class: "tools" });
  main.replaceChildren(h("article", { class: "shape" },
    h("nav", {}, h("a", { href: "#/" }, "← All shapes")),
    h("section", { class: "viewer" }, canvas, tools, caption),
    h("section", { class: "facts" }, facts(shape), exportLinks(shape), versionList(versions.items, shape)),
    h("section", { class: "photos" })));
  let viewer;
  try {
    viewer = new Viewer(canvas);
    tools.append(...toolButtons(viewer));
    viewer.setMesh(parsePly(await api.mesh(id, shape.version)));
  } catch (error) {
    caption.textContent = error.message;
  }
  photos(main.querySelector(".photos"), cameras.items, viewer, caption);
  return () => viewer?.close();
}

function toolButtons(viewer) {
  const toggle = (text, act, on) => h("button", {
    "aria-pressed": String(on),
    onclick: (event) => event.target.setAttribute("aria-pressed", String(act())),
  }, text);
  return [
    toggle("Spin", () => viewer.toggleSpin(), viewer.spinning),
    toggle("Clay", () => viewer.toggleClay(), viewer.clay),
    h("button", { onclick: () => viewer.reset() }, "Reset"),
  ];
}

function facts(shape) {
  const rows = [
    ["held-out loss", [fixed(shape.loss), bar(1 - shape.loss)]],
    ["silhouette IoU", [fixed(shape.silhouette_iou), bar(shape.silhouette_iou)]],
    ["feature distance", [fixed(shape.feature_distance)]],
    ["images", [`${count(shape.views)} fitted, ${count(shape.images)} in the cluster`]],
    ["mesh", [`${plural(shape.vertices, "vertex").replace("vertexs", "vertices")}, ${plural(shape.faces, "face")}`]],
    ["start", [`${shape.warm ? "warm, from the version before" : "cold"}, ${shape.seconds.toFixed(0)} s`]],
    ["made", [ago(shape.time)]],
  ];
  return [
    h("h1", {}, `Shape ${shape.id} `, h("span", { class: "tag" }, `version ${shape.version}`)),
    shape.outcome === "published" ? null : h("p", { class: "note" }, `Not published: ${shape.reason}`),
    h("dl", { class: "figures" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
  ];
}

function exportLinks(shape) {
  const formats = [["glb", "GLB"], ["obj", "OBJ"], ["ply", "PLY"], ["cameras", "Cameras"]];
  return h("div", { class: "exports" }, h("h2", {}, "Take it home"),
    formats.map(([format, name]) =>
      h("a", { class: "button", href: api.exportUrl(shape.id, format, shape.version), download: true }, name)));
}

function versionList(versions, shown) {
  const row = (v) => h("li", {}, h("a", {
    class: "version", href: `#/shape/${v.id}/${v.version}`, "aria-current": v.version === shown.version ? "true" : null,
  }, h("strong", {}, `v${v.version}`), h("span", {}, v.outcome.replace("_", " ")),
  h("span", { class: "number" }, fixed(v.loss))));
  return h("div", {}, h("h2", {}, "Versions"), h("ol", { class: "versions" }, [...versions].reverse().map(row)));
}

function photos(section, cameras, viewer, caption) {
  const sorted = [...cameras].sort((a, b) => (a.weight === 0) - (b.weight === 0) || a.loss - b.loss);
  const pick = (camera, button) => {
    for (const other of section.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
    button.setAttribute("aria-pressed", "true");
    viewer?.lookThrough(camera);
    caption.textContent = `as image ${camera.image} sees it`;
  };
  section.replaceChildren(
    h("h2", {}, "Its images"),
    h("p", { class: "dim" }, "Best fit first. Choose one to look at the shape from its camera."),
    h("ul", { class: "grid" }, sorted.map((camera) => h("li", {}, h("button", {
      class: camera.weight === 0 ? "photo stranger" : "photo", "aria-pressed": "false",
      onclick: (event) => pick(camera, event.currentTarget),
    }, h("img", { src: api.cropUrl(camera.image), alt: `image ${camera.image}`, loading: "lazy", width: 112, height: 112 }),
    h("span", {}, camera.weight === 0 ? "does not fit" : fixed(camera.loss)))))));
}

export function failed(main, error) {
  main.replaceChildren(h("div", { class: "empty" }, h("p", {}, error.message), h("p", {}, h("a", { href: "#/" }, "← All shapes"))));
  toast(error.message);
}
