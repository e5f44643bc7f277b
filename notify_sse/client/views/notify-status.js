// <notify-status>: the connection banner. `element.manager = manager` is all it needs. It never moves what is beside it: its place is
// kept while nothing is shown, or with `quiet` it lies over what follows.
import { addStyles, BaseElement, define, make, upgradeProperties } from "../src/dom.js";

/** @import { NotificationConnectionManager, Status } from "../notify-sse.js" */
/** @import { StatusTexts } from "./notify-status.js" */

/** @type {Readonly<StatusTexts>} */
const TEXTS = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  waiting: "Reconnecting in {s} s",
  offline: "You are offline",
  failed: "",
  retry: "Retry now",
};

const STYLE = `
:host { display: block; position: relative; min-height: 2.8em; font: 500 .875rem/1.4 system-ui, sans-serif; color-scheme: light dark; }
:host([quiet]) { min-height: 0; }
:host([hidden]), [hidden] { display: none !important; }
[part=banner] {
  position: absolute; inset: 0 0 auto; z-index: 1; display: flex; align-items: center; gap: .6em; padding: .4em .9em;
  min-height: 2.8em; box-sizing: border-box; border-radius: var(--notify-status-radius, .5rem);
  color: var(--notify-status-color, light-dark(#3d2f00, #ffe9a8));
  background: var(--notify-status-background, light-dark(#fff3c9, #3a3113));
}
[part=banner][data-status=connected] {
  color: var(--notify-status-ok-color, light-dark(#0d4023, #bdf0d0));
  background: var(--notify-status-ok-background, light-dark(#dff6e7, #12311f));
}
[part=banner][data-status=failed], [part=banner][data-status=offline] {
  color: var(--notify-status-error-color, light-dark(#5c0f14, #ffc9cc));
  background: var(--notify-status-error-background, light-dark(#ffe3e4, #3d1619));
}
[part=dot] { flex: none; width: .65em; height: .65em; border-radius: 50%; background: currentColor; }
[data-status=connecting] [part=dot], [data-status=reconnecting] [part=dot] { animation: pulse 1.2s infinite; }
[part=text] { flex: 1; }
[part=button] {
  font: inherit; color: inherit; background: none; border: 1px solid; border-radius: .4em; padding: .1em .7em;
  min-height: max(2em, 24px); cursor: pointer;
}
@media (pointer: coarse) { [part=button] { min-height: 44px; } }
[part=button]:focus-visible { outline: 2px solid; outline-offset: 2px; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@keyframes pulse { 50% { opacity: .25; } }
@media (prefers-reduced-motion: reduce) { [part=dot] { animation: none !important; } }
`;

const TICK_MS = 250;
/** Trouble that is over sooner is not worth a word. */
const GRACE_MS = 2000;

/** While it is so, there is nothing to show. */
const IDLE = ["idle", "paused", "closed"];

/** Attribute `quiet`: hidden while connected. Property `texts`: other words, by name. Event `retry`, cancelable. */
export class NotifyStatus extends BaseElement {
  static observedAttributes = ["quiet"];
  /** @type {NotificationConnectionManager<any> | null} */
  #manager = null;
  #texts = TEXTS;
  /** @type {() => void} */
  #unsubscribe = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #clock;
  /**
   * When the trouble began; null while there is none.
   *
   * @type {number | null}
   */
  #troubleMs = null;
  #hasSpoken = false;
  // What is seen counts down every second, and may be hidden; what is spoken says it once, and is always there.
  #text = make("span", { part: "text", "aria-hidden": true });
  #button = make("button", { part: "button", type: "button", onclick: () => this.#retry() });
  #banner = make(
    "div",
    { part: "banner", hidden: true },
    make("span", { part: "dot", "aria-hidden": true }),
    this.#text,
    this.#button,
  );
  #spoken = make("span", { className: "spoken", role: "status", "aria-live": "polite" });

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    addStyles(root, STYLE);
    root.append(this.#banner, this.#spoken);
  }

  get manager() {
    return this.#manager;
  }

  set manager(manager) {
    this.#manager = manager;
    if (this.isConnected) this.connectedCallback();
  }

  /** @param {Partial<StatusTexts>} texts */
  set texts(texts) {
    this.#texts = { ...TEXTS, ...texts };
    this.#render();
  }

  connectedCallback() {
    upgradeProperties(this, "manager", "texts");
    this.disconnectedCallback();
    if (this.#manager) this.#unsubscribe = this.#manager.onState(() => this.#render());
    this.#render();
  }

  disconnectedCallback() {
    this.#unsubscribe();
    clearTimeout(this.#clock);
  }

  attributeChangedCallback() {
    this.#render();
  }

  #retry() {
    const event = new Event("retry", { bubbles: true, composed: true, cancelable: true });
    if (this.dispatchEvent(event)) this.#manager?.retryNow();
  }

  #render() {
    clearTimeout(this.#clock);
    const status = this.#manager?.state.status ?? "idle";
    const isTrouble = !IDLE.includes(status) && status !== "connected";
    this.#troubleMs = isTrouble ? (this.#troubleMs ?? Date.now()) : null;
    const leftMs = isTrouble ? /** @type {number} */ (this.#troubleMs) + GRACE_MS - Date.now() : 0;
    if (leftMs > 0) {
      this.#clock = setTimeout(() => this.#render(), leftMs);
      return;
    }
    this.#show(status);
    this.#speak(status, isTrouble);
  }

  /** @param {Status} status */
  #show(status) {
    const waitS = this.#waitS();
    this.#banner.dataset.status = status;
    this.#banner.hidden = IDLE.includes(status) || (status === "connected" && this.hasAttribute("quiet"));
    this.#text.textContent = waitS ? this.#texts.waiting.replace("{s}", String(waitS)) : this.#textFor(status);
    this.#button.textContent = this.#texts.retry;
    this.#button.hidden = !(waitS || status === "failed" || status === "offline");
    if (waitS) this.#clock = setTimeout(() => this.#render(), TICK_MS);
  }

  /**
   * Trouble, and then its end.
   *
   * @param {Status} status
   * @param {boolean} isTrouble
   */
  #speak(status, isTrouble) {
    const text = isTrouble || (status === "connected" && this.#hasSpoken) ? this.#textFor(status) : "";
    this.#hasSpoken = text !== "";
    if (this.#spoken.textContent !== text) this.#spoken.textContent = text; // the same words set again would be read out again
  }

  /** The seconds until the next try, 0 when none is planned. */
  #waitS() {
    const { status, retryAt } = this.#manager?.state ?? {};
    if (status !== "reconnecting" || !retryAt) return 0;
    return Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  }

  /** @param {Status} status */
  #textFor(status) {
    /** @type {Partial<Record<Status, string>>} */
    const texts = this.#texts;
    return texts[status] || this.#manager?.state.message || "";
  }
}

define("notify-status", NotifyStatus);
