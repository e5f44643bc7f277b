// One item of the inbox, and the list of them: nodes are made once and moved, so that focus and scrolling stay.
import { make } from "../dom.js";

/** @import { Notification } from "../../notify-sse.js" */
/** @import { InboxTexts, Renderer } from "../../views/notify-inbox.js" */

/**
 * @typedef {object} ItemView
 * @property {HTMLLIElement} node
 * @property {Notification} item of which it was made
 */

/**
 * A sentence for an item: what its payload names so, or its type.
 *
 * @param {Notification} item
 */
export function titleOf({ payload, notification_type: type }) {
  const { title, subject, sender, text } = /** @type {Record<string, unknown>} */ (payload ?? {});
  const found = [title, subject, sender, text].find((value) => typeof value === "string" && value);
  return String(found ?? type.replaceAll(/[_.-]+/g, " "));
}

/** @param {Notification} item */
function textOf({ payload }) {
  const { text, body, message } = /** @type {Record<string, unknown>} */ (payload ?? {});
  const found = [text, body, message].find((value) => typeof value === "string" && value);
  return found ? String(found) : "";
}

/**
 * How an item looks that no renderer of the page is for.
 *
 * @param {Notification} item
 */
function plainBody(item) {
  const [title, text] = [titleOf(item), textOf(item)];
  return [
    make("p", { part: "title", textContent: title }),
    text && text !== title ? make("p", { part: "text", textContent: text }) : null,
  ];
}

/**
 * @param {Notification} item
 * @param {Renderer | undefined} render what the page gives for its type: a node, or a text
 */
function bodyOf(item, render) {
  const given = render?.(item);
  const content = given === undefined || given === null ? plainBody(item) : [given];
  return make("div", { part: "body" }, ...content);
}

/**
 * @param {string} timestamp
 * @param {string} language
 */
function timeOf(timestamp, language) {
  const at = new Date(timestamp);
  if (Number.isNaN(at.getTime())) return null;
  const isToday = at.toDateString() === new Date().toDateString();
  const text = at.toLocaleString(
    language,
    isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" },
  );
  return make("time", { part: "time", dateTime: timestamp, textContent: text });
}

/**
 * @param {Notification} item
 * @param {{ texts: InboxTexts, language: string, render?: Renderer }} how
 * @returns {HTMLLIElement}
 */
export function itemNode(item, { texts, language, render }) {
  const isUnread = !item.read;
  const body = bodyOf(item, render);
  const time = timeOf(item.timestamp, language);
  if (time) body.append(time);
  if (isUnread) body.prepend(make("span", { className: "spoken", textContent: `${texts.unread}: ` }));
  const label = isUnread ? texts.markRead : texts.markUnread;
  const toggle = make("button", {
    part: "toggle",
    type: "button",
    "aria-label": label,
    title: label,
    textContent: isUnread ? "✓" : "○",
  });
  toggle.dataset.act = "toggle";
  const node = make(
    "li",
    { part: isUnread ? "item unread" : "item", tabIndex: -1 },
    make("span", { part: "dot", "aria-hidden": "true" }),
    body,
    toggle,
  );
  node.dataset.id = item.notification_id;
  node.dataset.cursor = item.cursor;
  return node;
}

/**
 * Shows `items` in `list`. Those that did not change keep their nodes, and the one with the focus keeps it.
 *
 * @param {HTMLElement} list
 * @param {readonly Notification[]} items
 * @param {Map<string, ItemView>} views by cursor; it is brought up to date
 * @param {(item: Notification) => HTMLLIElement} makeNode
 */
export function showItems(list, items, views, makeNode) {
  const cursors = new Set(items.map(({ cursor }) => cursor));
  for (const cursor of views.keys()) {
    if (!cursors.has(cursor)) views.delete(cursor);
  }
  for (const item of items) {
    if (views.get(item.cursor)?.item !== item) views.set(item.cursor, { item, node: makeNode(item) });
  }
  const nodes = items.map(({ cursor }) => /** @type {ItemView} */ (views.get(cursor)).node);
  if (nodes.length === list.children.length && nodes.every((node, index) => node === list.children[index])) return;
  const refocus = focusKeeper(list, views);
  list.replaceChildren(...nodes);
  refocus();
}

/**
 * What gives the focus back to the item that has it now.
 *
 * @param {HTMLElement} list
 * @param {Map<string, ItemView>} views
 */
function focusKeeper(list, views) {
  const { activeElement } = /** @type {ShadowRoot} */ (list.getRootNode());
  const cursor = activeElement?.closest("li")?.dataset.cursor ?? "";
  const isButton = activeElement instanceof HTMLButtonElement;
  return () => {
    const node = views.get(cursor)?.node;
    if (node) /** @type {HTMLElement} */ (isButton ? node.lastElementChild : node).focus({ preventScroll: true });
  };
}
