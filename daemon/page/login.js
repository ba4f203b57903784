// The login: a token for a cookie. Nothing is kept here, and nothing gets into an address.

import * as api from "./api.js";
import { h } from "./dom.js";

export function showLogin(main) {
  const note = h("p", { class: "note", role: "alert", hidden: true });
  const field = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const form = h("form", { class: "empty login", onsubmit: (event) => enter(event, field, note) },
    h("h1", {}, "This library is locked"),
    h("p", {}, h("label", { for: "token" }, "Token")), field,
    h("p", {}, h("button", { type: "submit" }, "Open")), note);
  main.replaceChildren(form);
  field.focus();
}

async function enter(event, field, note) {
  event.preventDefault();
  try {
    await api.login(field.value);
    location.reload();
  } catch (error) {
    note.textContent = error.message;
    note.hidden = false;
    field.select();
  }
}
