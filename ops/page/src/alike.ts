// Shapes like another one, with how alike they are in form and look.

import * as api from "./api";
import { bar, fixed, h, say, title } from "./dom";
import type { SimilarShape } from "./types";

const SHOWN = 8;

export function alikeList(matches: SimilarShape[]): HTMLElement {
  return matches.length ? h("ol", { class: "hits" }, matches.map(hit)) : h("p", { class: "dim" }, "There is no other shape yet.");
}

/** Fills a section with the shapes like one, by their surfaces or by what their images look like. */
export async function fillAlike(section: HTMLElement, id: number): Promise<void> {
  const list = h("div", {});
  const buttons = (["form", "look"] as const).map((by) => h("button", {
    type: "button", "aria-pressed": String(by === "form"), onclick: () => void choose(by),
  }, by === "form" ? "By form" : "By look"));
  const choose = async (by: "form" | "look"): Promise<void> => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", String((i === 0) === (by === "form"))));
    try {
      list.replaceChildren(alikeList((await api.similar(id, by, SHOWN)).items));
    } catch (error) {
      list.replaceChildren(h("p", { class: "dim" }, say(error)));
    }
  };
  section.replaceChildren(h("h2", {}, "Shapes like this one"), h("div", { class: "flags" }, buttons), list);
  await choose("form");
}

function hit({ shape, form, look, turn }: SimilarShape): HTMLElement {
  return h("li", {}, h("a", { class: "hit", href: `#/shape/${shape.id}` },
    h("img", { alt: "", width: 96, height: 96, loading: "lazy", src: api.previewUrl(shape.id, shape.version) }),
    h("span", { class: "text" }, h("strong", {}, title("Shape", shape.id, shape.name)),
      h("span", { class: "dim" }, `form ${fixed(form)}${look === null ? "" : `, look ${fixed(look)}`}`),
      h("span", { class: "dim small" }, `most alike turned by ${(turn > 180 ? turn - 360 : turn).toFixed(0)}°`), bar(form))));
}
