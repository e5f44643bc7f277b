// The page for operators: asks for a token, and shows the view that the address names.

import { byId, el, Refused, say, soft, token, trying } from "./parts.js";
import { VIEWS } from "./views.js";

const EVERY_MS = 2000;
const view = byId("view");

function current() {
  const [name, argument = ""] = location.hash.slice(1).split("/", 2);
  return [Object.hasOwn(VIEWS, name) ? name : "overview", decodeURIComponent(argument)];
}

/** Shows the view of the address, if that is still the one when the answers are there. What had the focus keeps it. */
async function show() {
  const [name, argument] = current();
  const shown = await VIEWS[name][1](argument);
  if (name !== current()[0] || argument !== current()[1] || !token.get()) return;
  const key = document.activeElement?.dataset.key;
  view.replaceChildren(...shown.filter((one) => one !== null));
  if (key) view.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function signedIn() {
  const signed = token.get() !== null;
  byId("tabs").hidden = byId("leave").hidden = !signed;
  if (signed) return navigate();
  byId("badge").hidden = true;
  view.replaceChildren(signIn());
  view.querySelector("input").focus();
}

function signIn() {
  const typed = el("input", { name: "token", type: "password", required: true, autocomplete: "off" });
  const submitted = (event) => {
    event.preventDefault();
    token.set(typed.value.trim());
    signedIn();
    view.focus();
  };
  const label = el("label", {}, "Token with the scope notifications:admin", typed);
  const hint = el("code", {}, "notify-sse token --sub you --scope notifications:admin");
  return el(
    "div",
    {},
    el("form", { onsubmit: submitted }, label, el("button", { type: "submit" }, "Go on")),
    soft("One is made by "),
    hint,
  );
}

function navigate() {
  const [name] = current();
  for (const tab of byId("tabs").children) {
    if (tab.hash === `#${name}`) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  view.replaceChildren(soft("…"));
  return trying(show);
}

/** Whether a view follows what happens. Nothing is taken away from somebody who types. */
function follows([name, argument]) {
  return name === "overview" || (name === "connections" && argument && !document.activeElement?.matches("input"));
}

/** Shows such a view anew some time after the last answers, while somebody looks at it. */
async function follow() {
  try {
    if (token.get() && follows(current()) && document.visibilityState === "visible") {
      await show();
      byId("wrong").textContent = "";
    }
  } catch (error) {
    say("", error instanceof Refused ? error.message : "The service does not answer.");
  }
  setTimeout(follow, EVERY_MS);
}

byId("tabs").append(...Object.entries(VIEWS).map(([name, [label]]) => el("a", { href: `#${name}` }, label)));
byId("leave").addEventListener("click", () => {
  token.forget();
  signedIn();
});
addEventListener("signed-out", signedIn);
addEventListener("changed", ({ detail: done }) =>
  trying(async () => {
    await show();
    view.focus();
    say(done);
  }),
);
addEventListener("hashchange", () => token.get() && navigate());
signedIn();
setTimeout(follow, EVERY_MS);
