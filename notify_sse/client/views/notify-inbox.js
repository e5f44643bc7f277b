// <notify-inbox>: a bell with a badge, and the list of notifications that it opens. `element.manager = manager` is all it needs.
import { addStyles, BaseElement, define, make, upgradeProperties } from "../src/dom.js";
import { bellIcon, openBeside } from "../src/inbox/bell.js";
import { itemNode, showItems } from "../src/inbox/items.js";
import { speechIn } from "../src/inbox/speech.js";
import { STYLE } from "../src/inbox/style.js";
import { textsFor } from "../src/inbox/texts.js";
import { desktopState, playSound, showOnDesktop, showToast } from "../src/inbox/toasts.js";
import { createNotificationStore } from "./store.js";

/** @import { Notification, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { InboxTexts, Renderer } from "./notify-inbox.js" */
/** @import { NotificationStore } from "./store.js" */

const PAGE_SIZE = 20;
const MAX_SHOWN = 99;
/** So near the end of the list, in px, older ones are read. */
const NEAR_PX = 200;

export class NotifyInbox extends BaseElement {
  static observedAttributes = ["lang"];
  /** @type {NotificationConnectionManager<any> | null} */
  #manager = null;
  /** @type {NotificationStore<any> | null} */
  #store = null;
  /** @type {Partial<InboxTexts>} */
  #given = {};
  /** @type {Record<string, Renderer>} */
  #renderers = {};
  /** @type {Map<string, import("../src/inbox/items.js").ItemView>} */
  #views = new Map();
  /** @type {(() => void)[]} */
  #stops = [];
  #isOpen = false;
  #isLoading = false;
  #hasFailed = false;
  #hasMore = true;
  #badge = make("span", { part: "badge", "aria-hidden": "true", hidden: true });
  #bell = make(
    "button",
    { part: "bell", type: "button", "aria-haspopup": "dialog", "aria-expanded": "false" },
    bellIcon(),
    this.#badge,
  );
  #title = make("h2", { id: "title", textContent: "" });
  #markAll = make("button", { part: "mark-all", type: "button", onclick: () => this.#store?.markAllRead() });
  #close = make("button", { part: "close", type: "button", textContent: "×", onclick: () => this.close() });
  #list = make("ul", { part: "list", role: "list", "aria-labelledby": "title" });
  #note = make("p", { part: "note" });
  #older = make("button", { part: "older", type: "button", onclick: () => this.#loadOlder() });
  #desktop = make("button", { part: "desktop", type: "button", hidden: true, onclick: () => this.#askForDesktop() });
  #end = make("p", { part: "end" });
  #foot = make("div", { part: "foot" }, this.#older, this.#end, this.#desktop);
  #scroll = make("div", { part: "scroll" }, this.#list, this.#note, this.#foot);
  #panel = make(
    "div",
    { part: "panel", role: "dialog", "aria-labelledby": "title" },
    make("div", { part: "head" }, this.#title, this.#markAll, this.#close),
    this.#scroll,
  );
  #toasts = make("div", { part: "toasts" });
  #spoken = make("span", { className: "spoken", role: "status", "aria-live": "polite" });
  #speech = speechIn(this.#spoken, () => ({ texts: this.#texts, unread: this.unread }));

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    addStyles(root, STYLE);
    root.append(this.#bell, this.#panel, this.#toasts, this.#spoken);
    this.#bell.addEventListener("click", () => (this.#isOpen ? this.close() : this.open()));
    this.#panel.addEventListener("keydown", (event) => this.#onKey(event));
    this.#list.addEventListener("click", (event) => this.#onClick(event));
    this.#scroll.addEventListener("scroll", () => this.#onScroll(), { passive: true });
  }

  get manager() {
    return this.#manager;
  }

  set manager(manager) {
    this.#manager = manager;
    if (this.isConnected) this.connectedCallback();
  }

  /** @param {Partial<InboxTexts>} texts */
  set texts(texts) {
    this.#given = texts;
    this.#relabel();
  }

  /** @param {Record<string, Renderer>} renderers */
  set renderers(renderers) {
    this.#renderers = renderers;
    this.#relabel();
  }

  get unread() {
    return this.#store?.getState().unread ?? 0;
  }

  connectedCallback() {
    upgradeProperties(this, "manager", "texts", "renderers");
    this.disconnectedCallback();
    if (this.#manager) this.#follow(this.#manager);
    this.#relabel();
  }

  disconnectedCallback() {
    for (const stop of this.#stops) stop();
    this.#stops = [];
    this.#store = null;
    this.#views.clear();
    this.#list.replaceChildren();
    this.#toasts.replaceChildren();
    this.#speech.stop();
  }

  attributeChangedCallback() {
    this.#relabel();
  }

  open() {
    if (this.#isOpen) return;
    this.#isOpen = true;
    this.#bell.ariaExpanded = "true";
    this.#onClose = openBeside(this.#panel, this.#bell, this, () => this.close(false));
    this.#render();
    (this.#items()[0] ?? this.#markAll).focus();
    this.dispatchEvent(new Event("open"));
  }

  #onClose = () => {};

  /** @param {boolean} [toBell] whether the focus goes back to the bell */
  close(toBell = true) {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#onClose();
    this.#bell.ariaExpanded = "false";
    if (toBell) this.#bell.focus();
    this.dispatchEvent(new Event("close"));
  }

  /** @param {NotificationConnectionManager<any>} manager */
  #follow(manager) {
    const store = createNotificationStore(manager, { initial: PAGE_SIZE });
    this.#store = store;
    this.#hasMore = true;
    this.#stops = [
      store.subscribe(() => this.#render()),
      () => store.destroy(),
      manager.onAll((item) => item.initial || this.#announce(item)),
      manager.onSignOut(() => {
        this.#toasts.replaceChildren();
        this.#speech.stop();
        this.#hasMore = true;
        this.close(false);
      }),
      () => this.close(false),
    ];
  }

  get #language() {
    return this.lang || document.documentElement.lang || navigator.language || "en";
  }

  /** @returns {InboxTexts} */
  get #texts() {
    return { ...textsFor(this.#language), ...this.#given };
  }

  /** The words, the language or the look of items are others now. */
  #relabel() {
    this.#views.clear();
    const texts = this.#texts;
    this.#title.textContent = texts.title;
    this.#markAll.textContent = texts.markAll;
    this.#close.ariaLabel = texts.close;
    this.#end.textContent = texts.end;
    this.#desktop.textContent = texts.desktop;
    this.#render();
  }

  #render() {
    const { items = [], unread = 0 } = this.#store?.getState() ?? {};
    const texts = this.#texts;
    this.#badge.hidden = !unread;
    this.#badge.textContent = unread > MAX_SHOWN ? `${MAX_SHOWN}+` : String(unread);
    this.#bell.ariaLabel = texts.bell.replace("{n}", String(unread));
    if (!this.#isOpen) return;
    const language = this.#language;
    showItems(this.#list, items, this.#views, (item) =>
      itemNode(item, { texts, language, render: this.#rendererFor(item) }),
    );
    const firsts = this.#items();
    if (firsts.length && !firsts.some(({ tabIndex }) => tabIndex === 0)) firsts[0].tabIndex = 0;
    this.#setAllRead(!unread && items.every(({ read }) => read), firsts[0] ?? this.#close);
    this.#note.hidden = items.length > 0 && !this.#hasFailed;
    this.#note.textContent = this.#hasFailed ? texts.failed : texts.empty;
    this.#older.hidden = !this.#hasMore && !this.#hasFailed;
    this.#end.hidden = !this.#older.hidden || !items.length;
    this.#older.textContent = this.#hasFailed ? texts.retry : texts[this.#isLoading ? "loading" : "older"];
    this.#desktop.hidden = !this.hasAttribute("desktop") || desktopState() !== "default";
  }

  /**
   * A button that is disabled loses the focus, and the keys would no longer reach the inbox: it goes on before.
   * @param {boolean} isAllRead @param {HTMLElement} next
   */
  #setAllRead(isAllRead, next) {
    if (isAllRead && this.shadowRoot?.activeElement === this.#markAll) next.focus();
    this.#markAll.disabled = isAllRead;
  }

  /** @param {Notification} item */
  #rendererFor({ notification_type: type }) {
    return this.#renderers[type] ?? this.#renderers["*"];
  }

  #items() {
    return /** @type {HTMLLIElement[]} */ ([...this.#list.children]);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") {
      event.stopPropagation();
      this.close();
      return;
    }
    const items = this.#items();
    const root = /** @type {ShadowRoot} */ (this.shadowRoot);
    const at = items.findIndex((node) => node.contains(root.activeElement));
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    const to = items[/** @type {Record<string, number>} */ (moves)[event.key] ?? -1];
    if (to) {
      event.preventDefault();
      for (const node of items) node.tabIndex = node === to ? 0 : -1;
      to.focus();
      if (to === items.at(-1)) this.#loadOlder();
    } else if (at >= 0 && root.activeElement === items[at] && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.#choose(items[at]);
    }
  }

  /** @param {Event} event */
  #onClick(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const node = /** @type {HTMLLIElement | null} */ (target.closest("li"));
    if (!node) return;
    if (target.closest("[data-act=toggle]")) this.#toggle(node);
    else this.#choose(node);
  }

  /** @param {HTMLLIElement} node */
  #itemOf(node) {
    return this.#views.get(node.dataset.cursor ?? "")?.item;
  }

  /** @param {HTMLLIElement} node */
  #toggle(node) {
    const item = this.#itemOf(node);
    if (item) this.#store?.markRead([item.notification_id], !item.read);
  }

  /** The user wants this one: it is read, and the page is told. @param {HTMLLIElement} node */
  #choose(node) {
    const item = this.#itemOf(node);
    if (!item) return;
    if (!item.read) this.#toggle(node);
    this.dispatchEvent(new CustomEvent("choose", { detail: item, bubbles: true, composed: true }));
  }

  #onScroll() {
    const { scrollTop, clientHeight, scrollHeight } = this.#scroll;
    if (scrollTop + clientHeight > scrollHeight - NEAR_PX) this.#loadOlder();
  }

  async #loadOlder() {
    const store = this.#store;
    if (!store || this.#isLoading || (!this.#hasMore && !this.#hasFailed)) return;
    this.#isLoading = true;
    this.#hasFailed = false;
    this.#render();
    try {
      const hasMore = await store.loadOlder(PAGE_SIZE);
      if (store === this.#store) this.#hasMore = hasMore;
    } catch {
      this.#hasFailed = store === this.#store;
    }
    this.#isLoading = false;
    this.#render();
  }

  /**
   * What arrives is spoken, and shown where the page wants that: types in `toasts`, with `sound`, on the desktop.
   * @param {Notification} item
   */
  #announce(item) {
    if (item.silent) return;
    this.#speech.add(item);
    const types = (this.getAttribute("toasts") ?? "").split(/[\s,]+/);
    if (types.includes(item.notification_type) || types.includes("*")) {
      const texts = this.#texts;
      showToast(this.#toasts, item, { texts, render: this.#rendererFor(item), open: () => this.open() });
      if (this.hasAttribute("sound")) playSound();
    }
    if (this.hasAttribute("desktop")) showOnDesktop(item, this.#manager?.options.url ?? "");
  }

  /** Only ever by a click of the user. */
  async #askForDesktop() {
    await globalThis.Notification?.requestPermission?.();
    this.#render();
  }
}

define("notify-inbox", NotifyInbox);
