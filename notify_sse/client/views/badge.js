// The unread badge: how many notifications came since the user last looked, in every tab and across reloads.
import { isAfter, splitCursor } from "../src/cursor.js";
import { formatKept, parseKept } from "../src/cursor-keeper.js";
import { callListeners } from "../src/listeners.js";
import { bursts } from "./bursts.js";
import { wants } from "./store.js";

/** @import { Notification, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { Kept } from "../src/cursor-keeper.js" */
/** @import { Badge, BadgeOptions } from "./badge.js" */

const MAX_PAGE = 500;
/** The badge counts all types together. */
const ANY_TYPE = "*";

/**
 * @param {NotificationConnectionManager<any>} manager
 * @param {BadgeOptions} [options]
 * @returns {Badge}
 */
export function createBadge(manager, { key, types, max = 99, everyMs = 0, app = false, nextFrame } = {}) {
  /** @type {Set<(count: number, text: string) => void>} */
  const subscribers = new Set();
  const isWanted = wants(types);
  const burst = bursts(count, { throttle: { [ANY_TYPE]: everyMs }, nextFrame });
  /**
   * Cursors that were counted from the history.
   *
   * @type {Set<string>}
   */
  const missed = new Set();
  /**
   * The first cursor that came over the stream.
   *
   * @type {string | null}
   */
  let firstHeard = null;
  /** Up to where which recipient has read. */
  let { cursor: read, recipient: reader } = stored(storageKey());
  let unread = 0;

  function storageKey() {
    return key ?? `notify-sse:read:${manager.options.url}:${manager.options.user ?? ""}`;
  }

  /** @param {Notification} notification */
  function add(notification) {
    if (!isWanted(notification)) return;
    firstHeard ??= notification.cursor;
    burst.add(notification, ANY_TYPE);
  }

  /** @param {Notification[]} notifications */
  function count(notifications) {
    show(unread + notifications.filter(({ cursor }) => isUnread(cursor)).length);
  }

  /**
   * What is of another log than the last one that was read came after it: a log never comes back.
   *
   * @param {string} cursor
   */
  function isUnread(cursor) {
    if (missed.has(cursor)) return false;
    return isAfter(cursor, read) || !isOfSameLog(cursor, read);
  }

  /** @param {number} next */
  function show(next) {
    unread = next;
    if (app) showOnAppIcon(unread);
    callListeners(subscribers, unread, text());
  }

  function text() {
    if (unread > max) return `${max}+`;
    return unread ? String(unread) : "";
  }

  /** What was missed while no page was open: counted once, up to `max` and one. */
  async function countMissed() {
    if (!read) return;
    const after = read;
    const readBy = reader;
    const limit = Math.min(max + 1, MAX_PAGE);
    // A page for each type: notifications of other types must not fill it.
    const asked = (types ?? [undefined]).map((type) => manager.history({ after, order: "asc", limit, type }));
    const pages = await Promise.all(asked);
    if (after !== read) return; // it was read meanwhile
    if (readBy && pages.some(({ recipient_id }) => recipient_id && recipient_id !== readBy)) {
      clear({ cursor: null, recipient: null });
      return;
    }
    const items = pages.flatMap((page) => (page.reset ? [] : page.items));
    const fresh = items.filter(({ cursor }) => isUnread(cursor) && !comesByStream(cursor));
    for (const { cursor } of fresh) missed.add(cursor);
    show(unread + fresh.length);
  }

  /**
   * Whether the stream brought it, or is about to.
   *
   * @param {string} cursor
   */
  function comesByStream(cursor) {
    return firstHeard !== null && !isAfter(firstHeard, cursor);
  }

  /** @param {Kept} kept */
  function clear({ cursor, recipient }) {
    read = cursor;
    reader = recipient;
    missed.clear();
    burst.stop();
    show(0);
  }

  function markAllRead() {
    clear({ cursor: manager.cursor ?? read, recipient: manager.recipient ?? reader });
    if (read) store(storageKey(), formatKept({ cursor: read, recipient: reader }));
  }

  /** @param {StorageEvent} event */
  function onStorage(event) {
    if (event.key !== storageKey() || !event.newValue) return;
    const kept = parseKept(event.newValue); // it was read in another tab, perhaps of another user
    if (!kept.recipient || !manager.recipient || kept.recipient === manager.recipient) clear(kept);
  }

  /** What another user has read says nothing of this one. */
  function checkReader() {
    if (manager.recipient && reader && manager.recipient !== reader) clear({ cursor: null, recipient: null });
  }

  let usedKey = storageKey();
  function forget() {
    store(usedKey, null);
    usedKey = storageKey();
    firstHeard = null;
    clear(stored(usedKey));
  }

  globalThis.addEventListener?.("storage", onStorage);
  const stops = [manager.onAll(add), manager.onState(checkReader), manager.onSignOut(forget)];
  checkReader();

  return {
    get count() {
      return unread;
    },
    get text() {
      return text();
    },
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => {
        subscribers.delete(subscriber);
      };
    },
    countMissed,
    markAllRead,
    destroy() {
      for (const stop of stops) stop();
      burst.stop();
      globalThis.removeEventListener?.("storage", onStorage);
    },
  };
}

/** @param {number} count */
function showOnAppIcon(count) {
  const { navigator } = globalThis;
  const shown = count ? navigator?.setAppBadge?.(count) : navigator?.clearAppBadge?.();
  shown?.catch(() => {}); // the app is not installed
}

/**
 * @param {string} a
 * @param {string | null} b
 */
function isOfSameLog(a, b) {
  return b !== null && splitCursor(a)[0] === splitCursor(b)[0];
}

/** @param {string} key */
function stored(key) {
  try {
    return parseKept(globalThis.localStorage?.getItem(key));
  } catch {
    return parseKept(null);
  }
}

/**
 * @param {string} key
 * @param {string | null} text null removes it
 */
function store(key, text) {
  try {
    if (text) globalThis.localStorage?.setItem(key, text);
    else globalThis.localStorage?.removeItem(key);
  } catch {
    // The storage is full or forbidden: the badge starts anew after a reload.
  }
}
