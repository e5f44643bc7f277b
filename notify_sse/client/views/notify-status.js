// <notify-status>: the connection banner. `element.manager = manager` is all it needs.

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
:host { display: block; position: relative; font: 500 .875rem/1.4 system-ui, sans-serif; color-scheme: light dark; }
:host([hidden]) { display: none; }
[part=banner] {
  display: flex; align-items: center; gap: .6em; padding: .4em .9em; min-height: 2.8em; box-sizing: border-box;
  border-radius: var(--notify-status-radius, .5rem);
  color: var(--notify-status-color, light-dark(#3d2f00, #ffe9a8));
  background: var(--notify-status-background, light-dark(#fff3c9, #3a3113));
}
[data-status=connected] [part=banner], [part=banner][data-status=connected] {
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
  cursor: pointer;
}
[part=button]:focus-visible { outline: 2px solid; outline-offset: 2px; }
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@keyframes pulse { 50% { opacity: .25; } }
@media (prefers-reduced-motion: reduce) { [part=dot] { animation: none !important; } }
`;

// What is seen counts down every second, and may be hidden; what is spoken says it once, and is always there.
const TEMPLATE = `
<style>${STYLE}</style>
<div part="banner">
  <span part="dot" aria-hidden="true"></span>
  <span part="text" aria-hidden="true"></span>
  <button part="button" type="button"></button>
</div>
<span class="spoken" role="status" aria-live="polite"></span>`;

const TICK_MS = 250;

/** While it is so, there is nothing to show. */
const IDLE = ["idle", "paused", "closed"];

/** Where a server renders there are no elements, and the class only has to be there. */
const Base = globalThis.HTMLElement ?? /** @type {typeof HTMLElement} */ (class {});

/** Attribute `quiet`: hidden while connected. Property `texts`: other words, by name. Event `retry`, cancelable. */
export class NotifyStatus extends Base {
  static observedAttributes = ["quiet"];
  /** @type {NotificationConnectionManager<any> | null} */
  #manager = null;
  #texts = TEXTS;
  /** @type {() => void} */
  #unsubscribe = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #clock;
  #root;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: "open" });
    this.#root.innerHTML = TEMPLATE;
    this.#part("button").addEventListener("click", () => this.#retry());
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
    this.#upgrade("manager");
    this.#upgrade("texts");
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

  /**
   * What a page set before the element was defined hides the property of that name: it is set again, properly.
   *
   * @param {"manager" | "texts"} name
   */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = Reflect.get(this, name);
    Reflect.deleteProperty(this, name);
    Reflect.set(this, name, value);
  }

  /** @param {"banner" | "text" | "button"} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#root.querySelector(`[part=${name}]`));
  }

  #retry() {
    const event = new Event("retry", { bubbles: true, composed: true, cancelable: true });
    if (this.dispatchEvent(event)) this.#manager?.retryNow();
  }

  #render() {
    clearTimeout(this.#clock);
    const status = this.#manager?.state.status ?? "idle";
    const isIdle = IDLE.includes(status);
    const waitS = this.#waitS();
    const text = this.#text(status);
    this.#showBanner(status, isIdle || (status === "connected" && this.hasAttribute("quiet")));
    this.#part("text").textContent = waitS ? this.#texts.waiting.replace("{s}", String(waitS)) : text;
    this.#part("button").textContent = this.#texts.retry;
    this.#part("button").hidden = !(waitS || status === "failed" || status === "offline");
    this.#speak(isIdle ? "" : text);
    if (waitS) this.#clock = setTimeout(() => this.#render(), TICK_MS);
  }

  /** The seconds until the next try, 0 when none is planned. */
  #waitS() {
    const { status, retryAt } = this.#manager?.state ?? {};
    if (status !== "reconnecting" || !retryAt) return 0;
    return Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
  }

  /** @param {Status} status */
  #text(status) {
    /** @type {Partial<Record<Status, string>>} */
    const texts = this.#texts;
    return texts[status] || this.#manager?.state.message || "";
  }

  /**
   * @param {Status} status
   * @param {boolean} isHidden
   */
  #showBanner(status, isHidden) {
    const banner = this.#part("banner");
    banner.dataset.status = status;
    banner.hidden = isHidden;
    banner.style.display = isHidden ? "none" : ""; // a page's `::part(banner) { display }` must not show it again
  }

  /** @param {string} text */
  #speak(text) {
    const spoken = /** @type {HTMLElement} */ (this.#root.querySelector(".spoken"));
    if (spoken.textContent !== text) spoken.textContent = text; // the same words set again would be read out again
  }
}

const elements = globalThis.customElements;
if (elements && !elements.get("notify-status")) elements.define("notify-status", NotifyStatus);
