// <notify-status>: the connection banner. `element.manager = manager`; that is all it needs.

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

/** Attribute `quiet`: hidden while connected. Property `texts`: other words, by name. Event `retry`, cancelable. */
export class NotifyStatus extends (globalThis.HTMLElement ?? class {}) {
  static observedAttributes = ["quiet"];
  #manager = null;
  #texts = TEXTS;
  #stop = () => {};
  #clock;

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).innerHTML = TEMPLATE;
    this.#part("button").addEventListener("click", () => this.#retry());
  }

  get manager() {
    return this.#manager;
  }

  set manager(manager) {
    this.#manager = manager;
    if (this.isConnected) this.connectedCallback();
  }

  set texts(texts) {
    this.#texts = { ...TEXTS, ...texts };
    this.#render();
  }

  connectedCallback() {
    for (const name of ["manager", "texts"]) this.#upgrade(name);
    this.disconnectedCallback();
    this.#stop = this.#manager?.onState(() => this.#render()) ?? this.#stop;
    this.#render();
  }

  disconnectedCallback() {
    this.#stop();
    clearTimeout(this.#clock);
  }

  attributeChangedCallback() {
    this.#render();
  }

  /** What a page set before the element was defined hides the property of that name. */
  #upgrade(name) {
    if (!Object.hasOwn(this, name)) return;
    const value = this[name];
    delete this[name];
    this[name] = value;
  }

  #part(name) {
    return this.shadowRoot.querySelector(`[part=${name}]`);
  }

  #retry() {
    if (this.dispatchEvent(new Event("retry", { bubbles: true, composed: true, cancelable: true })))
      this.#manager?.retryNow();
  }

  #render() {
    clearTimeout(this.#clock);
    const { status = "idle", retryAt = null, message = "" } = this.#manager?.state ?? {};
    const idle = ["idle", "paused", "closed"].includes(status);
    const waitS = status === "reconnecting" && retryAt ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    this.#part("banner").dataset.status = status;
    this.#part("banner").hidden = idle || (status === "connected" && this.hasAttribute("quiet"));
    this.#part("banner").style.display = this.#part("banner").hidden ? "none" : "";
    this.#part("text").textContent = waitS ? this.#texts.waiting.replace("{s}", waitS) : this.#text(status, message);
    this.#part("button").textContent = this.#texts.retry;
    this.#part("button").hidden = !(waitS || status === "failed" || status === "offline");
    this.#speak(idle ? "" : this.#text(status, message));
    if (waitS) this.#clock = setTimeout(() => this.#render(), 250);
  }

  #text(status, message) {
    return this.#texts[status] || message;
  }

  #speak(text) {
    const spoken = this.shadowRoot.querySelector(".spoken");
    if (spoken.textContent !== text) spoken.textContent = text;
  }
}

globalThis.customElements?.get("notify-status") ?? globalThis.customElements?.define("notify-status", NotifyStatus);
