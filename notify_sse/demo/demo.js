// demo/ is a page for developers, served in development mode only: a publisher and a recipient side by side, and buttons that
// break what lies between. It uses the client as any page does, by its public addresses.
import { connections, cut, flow, isStalled, stall } from "./breaks.js";
import "/client/notify-inbox.js";
import "/client/notify-status.js";
import { NotificationConnectionManager } from "/client/notify-sse.js";
import { createNotificationStore } from "/client/store.js";
import { card, titleOf } from "./cards.js";
import { example, publish } from "./publisher.js";
import { Tally } from "./tally.js";
import { me, shorten, token } from "./tokens.js";

const SHOWN = 60;
/** So many that are stored are shown after a reload. */
const STORED = 20;
/** What the inbox shows of each item. */
const RENDERERS = {
  "*": ({ notification_type: type, payload }) => `${titleOf(type, payload)}: ${payload?.text ?? ""}`,
};
const SHORT_TOKEN_S = 4;
const SHORT_FOR_MS = 30000;
const OFFLINE_MS = 5000;
const STEADY_MS = 500;
const STALLED =
  "You stalled the network: nothing arrives, nothing is closed. That shows when two heartbeats are missing (31 s, with one every 15 s)";
const EXPIRING = "The token nears its end: a second stream takes over before the first is closed";
const $ = (id) => document.getElementById(id);

let manager;
let store;
let second = null;
let ticking = null;
const cards = new WeakMap(); // notification → its card

const tally = new Tally(() => requestAnimationFrame(showCounts));

/** A manager with what the page asks for, and the views that follow it. */
function begin({ cursor } = {}) {
  manager?.close();
  store?.destroy();
  const transport = $("transport").value;
  const share = $("share").value;
  if (isStalled()) ACTIONS.stall();
  for (const id of ["cut", "stall"]) {
    $(id).disabled = share === "worker";
    $(id).title = share === "worker" ? "The connection is the worker's: this page cannot reach it to break it" : "";
  }
  $("older").disabled = false;
  manager = new NotificationConnectionManager({
    getToken,
    user: me,
    transport,
    share,
    cursor,
    initial: cursor ? 0 : STORED,
  });
  store = createNotificationStore(manager, { keep: SHOWN });
  $("status").manager = manager;
  $("inbox").manager = manager;
  $("inbox").renderers = RENDERERS;
  manager.onAll((notification) => notification.initial || tally.received(notification));
  manager.onError(({ detail }) => detail && note(detail, "bad"));
  manager.onState(noteState);
  manager.onReset(({ reason }) => note(`Reset (${reason}): some may be lost; the list was fetched anew`, "bad"));
  store.subscribe(showList);
  manager.connect();
}

function getToken({ reason }) {
  if (reason === "expiring") note(EXPIRING, "connected");
  return token();
}

async function send(notifications) {
  const stored = (batch) => tally.sent(batch.filter(isMine).map((one) => one.notification_id));
  try {
    await publish(notifications, stored, showTrouble);
  } catch (error) {
    showTrouble(error.message);
  }
}

function showTrouble(text) {
  $("trouble").textContent = text;
}

function isMine({ recipient_id: to, topic }) {
  return to === me || topic === "all";
}

/** A second device of the same user: all that it shares with the first is the service. */
function toggleDevice() {
  if (second) {
    second.close();
    second = null;
  } else {
    second = new NotificationConnectionManager({
      getToken: () => token(),
      user: me,
      share: "none",
      resume: "none",
    }).connect();
    $("second").renderers = RENDERERS;
  }
  $("second").manager = second;
  $("device").ariaPressed = String(second !== null);
  for (const id of ["second", "second-text"]) $(id).hidden = !second;
}

function compose() {
  const form = new FormData($("compose"));
  return example(form.get("type"), {
    to: form.get("to"),
    text: form.get("text").trim(),
    severity: form.get("severity"),
  });
}

function examples(count) {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return numbers.map((number) => {
    const type = number % 10 === 1 ? "account_update" : "new_message";
    return example(type, { to: me, text: `Number ${number} of ${count}` });
  });
}

const ACTIONS = {
  "one-each": () => send(["new_message", "account_update", "system_alert"].map((type) => example(type, { to: me }))),
  flood: () => send(examples(1000)),
  steady() {
    if (ticking) {
      clearInterval(ticking);
      ticking = null;
    } else {
      ticking = setInterval(() => send([example("new_message", { to: me })]), STEADY_MS);
    }
    $("steady").ariaPressed = String(ticking !== null);
  },
  cut() {
    note(connections() ? "You cut the connection" : "There is no connection of this tab to cut", "bad");
    cut();
  },
  stall() {
    if (isStalled()) flow();
    else stall();
    $("stall").ariaPressed = String(isStalled());
    note(isStalled() ? STALLED : "The network flows again", "bad");
  },
  expire() {
    shorten(SHORT_TOKEN_S);
    setTimeout(() => {
      shorten(null);
      note("Tokens last long again");
    }, SHORT_FOR_MS);
    note(`For ${SHORT_FOR_MS / 1000} s every token ends after ${SHORT_TOKEN_S} s`, "bad");
    dispatchEvent(new Event("online")); // another network: the client makes sure with a second stream, whose token is short
  },
  unplug() {
    note(`You unplugged the network for ${OFFLINE_MS / 1000} s`, "bad");
    dispatchEvent(new Event("offline"));
    setTimeout(() => dispatchEvent(new Event("online")), OFFLINE_MS);
  },
  rewind() {
    const cursor = tally.cursorBefore(Number($("back").value)) ?? manager.cursor;
    if (!cursor) return;
    tally.rewind(cursor);
    note(`You restarted the stream from ${cursor}`, "bad");
    begin({ cursor });
  },
  read: () => store.markAllRead(),
  device: toggleDevice,
  async older() {
    try {
      $("older").disabled = !(await store.loadOlder(20));
    } catch (error) {
      note(`Older ones cannot be read: ${error.message}`, "bad");
    }
  },
};

function showCounts() {
  const { counts } = tally;
  for (const [name, count] of Object.entries(counts)) $(`count-${name}`).textContent = count.toLocaleString();
  for (const name of ["missing", "repeated", "disordered"])
    $(`count-${name}`).parentElement.dataset.bad = String(counts[name] > 0);
}

function showList({ items, unread }) {
  document.title = `${unread ? `(${unread}) ` : ""}notify-sse`;
  for (const item of items) {
    if (!cards.has(item)) cards.set(item, card(item));
  }
  $("list").replaceChildren(...items.map((item) => cards.get(item)));
  $("empty").hidden = items.length > 0;
}

let before = "";
function noteState({ status, transport, reason, shared, attempt }) {
  $("how").textContent = [NAMES[transport] ?? "", shared ? `shared: ${shared}` : ""].filter(Boolean).join(" · ");
  const now = `${status} ${attempt} ${transport}`;
  if (now === before) return;
  before = now;
  const word = status[0].toUpperCase() + status.slice(1);
  if (status === "connected") note(`${word} by ${NAMES[transport]}`, status);
  else note(word + whyOf(reason, attempt), status);
}

function whyOf(reason, attempt) {
  if (!reason) return "";
  return attempt ? ` (${reason}, failure ${attempt})` : ` (${reason})`;
}

const NAMES = {
  eventsource: "Server-Sent Events",
  fetch: "fetch streaming",
  websocket: "WebSocket",
  longpoll: "long polling",
};

function note(text, kind = "") {
  const line = document.createElement("li");
  line.dataset.kind = kind;
  line.textContent = `${new Date().toLocaleTimeString()}  ${text}`;
  $("log").prepend(line);
  while ($("log").children.length > 40) $("log").lastChild.remove();
}

async function showCommands() {
  const given = await token({ publish: true });
  const at = `${location.origin}/notifications`;
  $("curl-stream").textContent = `curl -N -H 'Authorization: Bearer ${given}' \\\n  '${at}/stream'`;
  $("curl-publish").textContent =
    `curl -H 'Authorization: Bearer ${given}' '${at}' \\\n` +
    `  -d '{"recipient_id":"${me}","notification_type":"new_message","payload":{"sender":"curl","text":"Hello from the shell"}}'`;
}

function listen() {
  for (const [id, act] of Object.entries(ACTIONS)) $(id).addEventListener("click", () => act());
  $("compose").addEventListener("submit", (event) => {
    event.preventDefault();
    send([compose()]);
  });
  $("compose").addEventListener("change", () => {
    $("severity").hidden = new FormData($("compose")).get("type") !== "system_alert";
  });
  for (const id of ["transport", "share"]) $(id).addEventListener("change", () => begin());
  $("commands").addEventListener("toggle", () => {
    if ($("commands").open) showCommands();
  });
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => navigator.clipboard?.writeText($(button.dataset.copy).textContent));
  }
}

for (const element of document.querySelectorAll("[data-me]")) element.textContent = me;
$("to").options[0].value = me;
$("to").options[0].textContent = `${me} (this page)`;
listen();
begin();
