// The login: a token for a cookie. Nothing is kept here, and nothing gets into an address.

import * as api from "./api";
import { h, say } from "./dom";

export function showLogin(main: HTMLElement): void {
  const note = h("p", { class: "note", role: "alert", hidden: true });
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const enter = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    try {
      await api.login(field.value);
      location.reload();
    } catch (error) {
      note.textContent = say(error);
      note.hidden = false;
      field.select();
    }
  };
  main.replaceChildren(h("form", { class: "empty login", onsubmit: enter },
    h("h1", {}, "This library is locked"),
    h("p", {}, h("label", { for: "token" }, "Token")), field,
    h("p", {}, h("button", { type: "submit" }, "Open")), note));
  field.focus();
}
