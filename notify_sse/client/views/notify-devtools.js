// <notify-devtools>: what a connection does, for developers: states, transport, cursor, errors, requests, tabs. `element.manager = manager`.
import { addStyles, BaseElement, define, make, upgradeProperties } from "../src/dom.js";
import { readStateOf } from "../src/read-state.js";
import { lockPrefix } from "../src/slots.js";
import { nameFor } from "../src/tabs/name.js";

/** @import { NotificationConnectionManager } from "../notify-sse.js" */

const STYLE = `
:host { position: fixed; inset-block-end: .5rem; inset-inline-start: .5rem; z-index: 2000; font: 12px/1.45 ui-monospace, monospace; color-scheme: light dark; }
:host([hidden]) { display: none; }
details { background: light-dark(#fff, #16161f); color: light-dark(#1b1b2b, #e9e9f4); border: 1px solid light-dark(#c9c9d8, #44445a); border-radius: .5rem; max-width: min(44rem, 95vw); }
summary { padding: .5rem .7rem; cursor: pointer; }
.lines { overflow: auto; max-height: 45vh; padding: 0 .7rem .7rem; }
table { border-collapse: collapse; }
th { text-align: start; vertical-align: top; padding-inline-end: 1rem; font-weight: 600; white-space: nowrap; }
td { overflow-wrap: anywhere; }
ol { margin: .5rem 0 0; padding: 0; list-style: none; }
`;
const MAX_LINES = 60;
const REFRESH_MS = 1000;

export class NotifyDevtools extends BaseElement {
  /** @type {NotificationConnectionManager<any> | null} */
  #manager = null;
  /** @type {((() => void) | undefined)[]} */
  #stops = [];
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #tabs = "";
  #counts = { notifications: 0, reads: 0, resets: 0, errors: 0 };
  #summary = make("summary");
  #facts = make("table");
  #requests = make("ol", { "aria-label": "Requests" });
  #log = make("ol", { "aria-label": "What happened, newest first" });
  #details = make(
    "details",
    { part: "panel", ontoggle: () => this.#render() },
    this.#summary,
    make(
      "div",
      { className: "lines", tabIndex: 0, role: "region", "aria-label": "Connection" },
      this.#facts,
      this.#requests,
      this.#log,
    ),
  );

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    addStyles(root, STYLE);
    root.append(this.#details);
  }

  get manager() {
    return this.#manager;
  }

  set manager(manager) {
    this.#manager = manager;
    if (this.isConnected) this.connectedCallback();
  }

  connectedCallback() {
    upgradeProperties(this, "manager");
    this.disconnectedCallback();
    if (this.#manager) this.#follow(this.#manager);
    this.#render();
  }

  disconnectedCallback() {
    for (const stop of this.#stops) stop?.();
    this.#stops = [];
    clearInterval(this.#timer);
  }

  /** @param {NotificationConnectionManager<any>} manager */
  #follow(manager) {
    this.#stops = [
      manager.onState(({ status, transport, attempt, reason }) => {
        this.#note([status, transport, attempt ? `attempt ${attempt}` : "", reason].filter(Boolean).join(" · "));
      }),
      manager.onAll(({ cursor, notification_type: type }) => {
        this.#counts.notifications += 1;
        this.#note(`${cursor} ${type}`);
      }),
      manager.onRead?.(({ cursor, unread }) => {
        this.#counts.reads += 1;
        this.#note(`${cursor} read, ${unread} unread`);
      }),
      manager.onReset(({ reason, from, to }) => {
        this.#counts.resets += 1;
        this.#note(`reset: ${reason}, ${from} → ${to}`);
      }),
      manager.onError?.(({ code, status, detail }) => {
        this.#counts.errors += 1;
        this.#note(["error:", code, status, detail].filter(Boolean).join(" "));
      }),
      manager.onSignOut(() => {
        this.#log.replaceChildren(); // nothing of the last user stays, not even where he was
        this.#counts = { notifications: 0, reads: 0, resets: 0, errors: 0 };
        this.#note("signed out");
      }),
      readStateOf(manager).subscribe(() => this.#render()),
    ];
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
    this.#note(manager.state.status);
  }

  /** @param {string} text */
  #note(text) {
    const time = new Date().toISOString().slice(11, 23);
    this.#log.prepend(make("li", { textContent: `${time} ${text}` }));
    while (this.#log.children.length > MAX_LINES) this.#log.lastChild?.remove();
    this.#render();
  }

  async #refresh() {
    const manager = this.#manager;
    if (!this.#details.open || !manager) return;
    this.#tabs = await tabsOf(manager);
    this.#render();
  }

  #render() {
    const manager = this.#manager;
    const {
      status = "no manager",
      transport,
      shared,
      attempt,
      retryAt,
      recipient,
      connectionId,
      error,
    } = manager?.state ?? {};
    this.#summary.textContent = `notify-sse: ${status}${transport ? ` by ${transport}` : ""}`;
    if (!manager || !this.#details.open) return;
    const { notifications, reads, resets, errors } = this.#counts;
    const facts = {
      recipient,
      cursor: manager.cursor,
      unread: readStateOf(manager).unread ?? "the service does not count",
      connection: connectionId,
      shared: shared ?? "no",
      tabs: this.#tabs,
      attempt: attempt
        ? `${attempt}${retryAt ? `, next in ${Math.max(0, Math.round((retryAt - Date.now()) / 1000))} s` : ""}`
        : "",
      error: error && [error.code, error.status, error.detail].filter(Boolean).join(": "),
      seen: `${notifications} notifications, ${reads} read marks, ${resets} resets, ${errors} errors`,
      url: manager.options.url,
    };
    const rows = Object.entries(facts).map(([name, value]) =>
      make(
        "tr",
        {},
        make("th", { textContent: name, scope: "row" }),
        make("td", { textContent: String(value ?? "–") }),
      ),
    );
    this.#facts.replaceChildren(make("tbody", {}, ...rows));
    this.#requests.replaceChildren(...requestsTo(manager.options.url).map((text) => make("li", { textContent: text })));
  }
}

/**
 * The last requests of this page to the service, without their queries: a query may hold a token. Those of a worker, and WebSockets,
 * are not the page's.
 *
 * @param {string} url
 */
function requestsTo(url) {
  const entries = /** @type {PerformanceResourceTiming[]} */ (performance.getEntriesByType("resource"));
  const ours = entries.filter(({ name }) => name.startsWith(`${url}/`)).slice(-8);
  return ours.map(({ name, initiatorType, duration, responseStatus }) => {
    const path = name.slice(url.length).split("?")[0];
    return `${path} ${responseStatus || ""} ${initiatorType} ${Math.round(duration)} ms`;
  });
}

/**
 * How this tab shares, with how many others as far as locks tell it; and how many streams the tabs of this browser have at the
 * service's origin. Locks of other managers and users are not counted. What shares by a worker holds no lock.
 *
 * @param {NotificationConnectionManager<any>} manager
 */
async function tabsOf({ options, recipient, state }) {
  const found = await navigator.locks?.query().catch(() => null);
  const prefix = lockPrefix(options.url);
  const name = nameFor({ ...options, recipient });
  const streams = (found?.held ?? []).filter((lock) => lock.name?.startsWith(prefix) && !lock.name.endsWith("swap"));
  const followers = (found?.pending ?? []).filter((lock) => lock.name === name);
  const ways = {
    worker: "by a worker",
    leader: `by this tab, ${followers.length} following`,
    follower: `by another tab, ${followers.length} following`,
    none: "not shared",
  };
  return `${ways[state.shared ?? "none"]}; streams of this browser: ${streams.length}`;
}

define("notify-devtools", NotifyDevtools);
