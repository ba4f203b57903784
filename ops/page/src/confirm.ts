// A question before what can't be taken back.

import { h } from "./dom";

/** Whether a person says yes; Escape and the other button say no. */
export function confirmed(question: string, yes: string): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "confirm", "aria-label": question },
      h("form", { method: "dialog" }, h("p", {}, question),
        h("div", { class: "flags" }, h("button", { value: "no" }, "Cancel"), h("button", { value: "yes", class: "danger" }, yes))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
