// What the views of the page are made of: elements out of text, never out of markup; and how the routes are asked.

const TOKEN = "notify-sse-admin-token";
const HERE = new URL(".", location.href);

/** An element with these properties and children. */
function el(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

const byId = (id) => document.getElementById(id);

/** The token that was typed in. It stays in this tab, and goes out in a header only. */
const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => sessionStorage.setItem(TOKEN, text),
  forget: () => sessionStorage.removeItem(TOKEN),
};
const number = (value) => (typeof value === "number" && Number.isFinite(value) ? value.toLocaleString("en") : "–");
const time = (value) => (value ? value.replace("T", " ").replace(/\.\d+/, "") : "–");
const soft = (text) => el("p", { className: "soft" }, text);
const title = (text, small) => el("h2", {}, text, " ", el("small", {}, small ?? ""));

function say(text, wrong = "") {
  byId("said").textContent = text;
  byId("wrong").textContent = wrong;
}

class Refused extends Error {}

/** The answer of an admin route. Throws `Refused`, which says what is wrong. */
async function ask(path, { method = "GET", body } = {}) {
  const headers = { Authorization: `Bearer ${token.get() ?? ""}` };
  if (body) headers["Content-Type"] = "application/json";
  const options = { method, headers, body: body && JSON.stringify(body), credentials: "omit", cache: "no-store" };
  const answer = await fetch(new URL(`admin/${path}`, HERE), options);
  const told = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    token.forget();
    dispatchEvent(new Event("signed-out"));
  }
  if (!answer.ok && told.state === undefined)
    throw new Refused(`${answer.status}: ${told.detail ?? answer.statusText}`);
  return told;
}

/** A table; each cell is text or an element. On a narrow screen, a row is a list of its cells with their labels. */
function table(labels, rows, empty) {
  if (!rows.length) return soft(empty);
  const head = el("thead", {}, el("tr", {}, ...labels.map((label) => el("th", { scope: "col" }, label))));
  const cell = (content, place) => {
    const made = el("td", {}, el("span", {}, ...[content ?? "–"].flat()));
    made.dataset.label = labels[place];
    return made;
  };
  return el("table", {}, head, el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map(cell)))));
}

const cards = (entries) =>
  el(
    "dl",
    { className: "cards" },
    ...entries.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );

/** A form with these fields, `[name, label, value, options]`; `act` gets what was filled in. */
function form(label, fields, act) {
  const inputs = fields.map(([name, text, value, choices]) => {
    const shown = choices
      ? el("select", { name }, ...choices.map((choice) => el("option", { value: choice }, choice)))
      : el("input", { name, value: value ?? "", autocomplete: "off", spellcheck: false });
    return el("label", {}, text, shown);
  });
  const submitted = (event) => {
    event.preventDefault();
    trying(() => act(Object.fromEntries(new FormData(event.target))));
  };
  return el("form", { onsubmit: submitted }, ...inputs, el("button", { type: "submit" }, label));
}

async function trying(work) {
  say("");
  try {
    await work();
  } catch (error) {
    say("", error instanceof Refused ? error.message : "The service does not answer.");
  }
}

const path = encodeURIComponent;
const link = (name, argument, text) => {
  const made = el("a", { href: `#${name}/${path(argument)}` }, text);
  made.dataset.key = `${name}/${argument}`;
  return made;
};

/** Something was changed: the view is shown anew, and `done` is said. */
const changed = (done) => dispatchEvent(new CustomEvent("changed", { detail: done }));

/** A button that changes something: asks first, then shows the view anew. `key` is how it finds its focus again. */
function button(label, { question, act, danger = false, key = "" }) {
  const clicked = async () => {
    if (question && !confirm(question)) return;
    await trying(async () => changed(await act()));
  };
  const made = el("button", { type: "button", className: danger ? "danger" : "", onclick: clicked }, label);
  made.dataset.key = key;
  return made;
}

/** Goes to a view; to the one that is shown, too. */
function go(name, argument) {
  const hash = `#${name}/${path(argument)}`;
  if (location.hash === hash) dispatchEvent(new Event("hashchange"));
  else location.hash = hash;
}

export {
  ask,
  button,
  byId,
  cards,
  changed,
  el,
  form,
  go,
  HERE,
  link,
  number,
  path,
  Refused,
  say,
  soft,
  table,
  time,
  title,
  token,
  trying,
};
