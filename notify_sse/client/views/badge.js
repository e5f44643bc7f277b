// The unread badge: the number that the service counts for all devices of the user; or, where it counts none, and for a badge of some
// types, how many came since the user last looked, in every tab and across reloads.
import { isAfter, isOfSameLog } from "../src/cursor.js";
import { formatKept, parseKept } from "../src/cursor-keeper.js";
import { callListeners } from "../src/listeners.js";
import { Marks } from "../src/marks.js";
import { readStateOf } from "../src/read-state.js";
import { bursts } from "./bursts.js";
import { wants } from "./store.js";

/** @import { Notification, NotificationConnectionManager, ReadMark } from "../notify-sse.js" */
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
  const readState = readStateOf(manager);
  const marks = new Marks();
  const burst = bursts(take, { throttle: { [ANY_TYPE]: everyMs }, nextFrame });
  /**
   * What came since the user last looked, by cursor.
   *
   * @type {Map<string, Notification>}
   */
  let heard = new Map();
  /** Up to where which recipient has read. */
  let { cursor: read, recipient: reader } = stored(storageKey());
  let shown = 0;

  function storageKey() {
    return key ?? `notify-sse:read:${manager.options.url}:${manager.options.user ?? ""}`;
  }

  /** What the service counts is of all types. */
  function byService() {
    return types ? null : readState.unread;
  }

  /** @param {(Notification | null)[]} arrived null: the service's number has risen */
  function take(arrived) {
    const items = arrived.filter((item) => item !== null);
    if (byService() === null) remember(items);
    show();
  }

  /** @param {readonly Notification[]} items */
  function remember(items) {
    for (const item of items) {
      if (!item.silent && isNew(item.cursor)) heard.set(item.cursor, item);
    }
    heard = new Map(marks.applied([...heard.values()]).map((item) => [item.cursor, item]));
  }

  /**
   * What is of another log than the last one that was read came after it: a log never comes back.
   *
   * @param {string} cursor
   */
  function isNew(cursor) {
    return read === null || isAfter(cursor, read) || !isOfSameLog(cursor, read);
  }

  /** Only a number that is another one is told. */
  function show(next = byService() ?? [...heard.values()].filter((item) => !item.read).length) {
    if (next === shown) return;
    shown = next;
    if (app) showOnAppIcon(shown);
    callListeners(subscribers, shown, text());
  }

  function text() {
    if (shown > max) return `${max}+`;
    return shown ? String(shown) : "";
  }

  /** The service's number is another one. What is read is shown at once, what comes as seldom as the page wants. */
  function onCount() {
    const unread = byService();
    if (unread !== null && unread > shown) burst.add(null, ANY_TYPE);
    else show();
  }

  /** @param {Pick<ReadMark, "upto" | "ids" | "read">} mark */
  function onMark(mark) {
    marks.add(mark);
    remember([]);
    show();
  }

  /** @param {string} id */
  function onRecalled(id) {
    marks.recall(id);
    remember([]);
    show();
  }

  /** What was missed while no page was open: counted once, up to `max` and one. */
  async function countMissed() {
    if (!types && (await readState.load()) !== null) return;
    const after = read;
    const limit = Math.min(max + 1, MAX_PAGE);
    // Who has never looked has read nothing: the newest count then. A page for each type: others must not fill it.
    const from = after ? { after, order: /** @type {const} */ ("asc") } : { order: /** @type {const} */ ("desc") };
    const asked = (types ?? [undefined]).map((type) => manager.history({ ...from, limit, type }));
    const pages = await Promise.all(asked);
    if (after !== read) return; // it was read meanwhile
    if (pages.some(({ recipient_id: recipient }) => reader && recipient && recipient !== reader)) {
      clear({ cursor: null, recipient: null });
      await countMissed(); // it was kept for another user
      return;
    }
    remember(pages.flatMap((page) => (page.reset ? [] : page.items)));
    show();
  }

  /** @param {Kept} kept */
  function clear({ cursor, recipient }) {
    read = cursor;
    reader = recipient;
    heard.clear();
    burst.stop();
    show();
  }

  /** Nothing is unread any more: in every tab, and on every device where the service keeps that. */
  async function markAllRead() {
    const ids = [...heard.values()].filter((item) => !item.read).map((item) => item.notification_id);
    const upto = manager.cursor ?? read;
    const isCounted = byService() !== null;
    clear({ cursor: upto, recipient: manager.recipient ?? reader });
    if (read) store(storageKey(), formatKept({ cursor: read, recipient: reader }));
    if (isCounted) show(0);
    try {
      await tell(isCounted ? upto : null, ids);
      return true;
    } catch {
      show(); // the service's number is as it was
      return !isCounted;
    }
  }

  /**
   * @param {string | null} upto
   * @param {string[]} ids
   */
  async function tell(upto, ids) {
    if (upto) {
      readState.tellViews({ upto, ids: null, read: true }, onMark);
      await manager.markRead?.(upto);
    } else {
      for (let at = 0; at < ids.length; at += MAX_PAGE) await manager.markRead?.(ids.slice(at, at + MAX_PAGE));
    }
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
    marks.clear();
    clear(stored(usedKey));
  }

  globalThis.addEventListener?.("storage", onStorage);
  const stops = [
    readState.subscribe(onCount), // first: it has counted an item before the badge hears of it
    readState.onPageMark(onMark),
    manager.onAll((item) => {
      if (isWanted(item) && !item.initial) burst.add(item, ANY_TYPE);
    }),
    manager.onState(checkReader),
    manager.onSignOut(forget),
    manager.onRead?.(onMark),
    manager.onRecalled?.(({ notification_id: id }) => onRecalled(id)),
  ];
  checkReader();
  onCount();

  return {
    get count() {
      return shown;
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
    signOut: () => manager.signOut(),
    switchUser: (who) => void manager.switchUser(who),
    destroy() {
      for (const stop of stops) stop?.();
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
