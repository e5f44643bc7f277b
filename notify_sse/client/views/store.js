// views/ is what a page shows: a store of the newest notifications, an unread badge, a banner, an inbox. This is the store. It depends
// on no framework: frameworks/ ties it to React, Vue, Svelte, Zustand and Redux.
import { isAfter, splitCursor } from "../src/cursor.js";
import { callListeners } from "../src/listeners.js";
import { Marks } from "../src/marks.js";
import { readStateOf } from "../src/read-state.js";
import { bursts } from "./bursts.js";

/** @import { Notification, NotificationConnectionManager, ReadMark } from "../notify-sse.js" */
/** @import { NotificationStore, NotificationView, StoreOptions } from "./store.js" */

/** @type {Readonly<NotificationView>} */
export const EMPTY = Object.freeze({
  connection: null,
  items: Object.freeze([]),
  last: null,
  unread: 0,
  countedBy: "page",
  resets: 0,
});

/**
 * A store that follows `manager`. Its state is replaced, never changed, at most once a frame.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {StoreOptions} [options]
 * @returns {NotificationStore<any>}
 */
export function createNotificationStore(manager, options = {}) {
  const { keep = 200, throttle, types, nextFrame, idle = false, initial = 0 } = options;
  /** @type {NotificationView} */
  let state = { ...EMPTY, connection: manager.state };
  /** Whose items these are: how often somebody had signed out before them. */
  let signOuts = manager.signOuts;
  /** For which user the newest stored items were asked for. */
  let begunFor = -1;
  /** @type {(() => void)[]} */
  let unsubscribes = [];
  /** @type {Set<(state: NotificationView) => void>} */
  const subscribers = new Set();
  const isWanted = wants(types);
  const marks = new Marks();
  const burst = bursts((/** @type {Notification[]} */ items) => update(received(state, marks.applied(items), keep)), {
    throttle,
    nextFrame,
  });

  /** @param {Partial<NotificationView>} change */
  function update(change) {
    state = { ...state, ...change };
    callListeners(subscribers, state);
  }

  /** Nothing of the user who signed out stays. */
  function forget() {
    signOuts = manager.signOuts;
    burst.stop();
    marks.clear();
    state = { ...EMPTY, connection: manager.state };
    update({});
  }

  function listen() {
    stop();
    if (signOuts !== manager.signOuts) forget(); // it was not listening then
    unsubscribes = [
      manager.onAll((item) => {
        if (isWanted(item)) burst.add(item, item.notification_type);
      }),
      manager.onState((connection) => {
        update({ connection });
        loadInitial();
      }),
      manager.onReset(({ items }) => {
        const stored = (items ?? []).filter(isWanted);
        update({ resets: state.resets + 1, items: merged(state.items, stored, keep) });
      }),
      manager.onSignOut(forget),
      manager.onRead?.((mark) => applyMark(mark)),
      manager.onRecalled?.(({ notification_id: id }) => {
        marks.recall(id);
        update({ items: marks.applied(state.items) });
      }),
      readStateOf(manager).subscribe(count),
      readStateOf(manager).onPageMark(onPageMark),
    ];
    count();
    if (state.connection !== manager.state) update({ connection: manager.state });
    loadInitial();
    return stop;
  }

  /** The service counts for all types and devices; a store of some types counts for itself. */
  function count() {
    const { unread } = readStateOf(manager);
    if (types || (unread === null && state.countedBy === "page")) return;
    if (unread === null) update({ countedBy: "page" });
    else if (unread !== state.unread || state.countedBy !== "service") update({ unread, countedBy: "service" });
  }

  /** @param {Pick<ReadMark, "upto" | "ids" | "read">} mark */
  function applyMark(mark) {
    marks.add(mark);
    update({ items: marks.applied(state.items) });
  }

  /** The newest stored items, once there is a connection: what comes later comes by the stream. */
  async function loadInitial() {
    if (!initial || begunFor === signOuts || manager.state.status !== "connected") return;
    begunFor = signOuts;
    const page = await manager.history({ limit: initial }).catch(() => null);
    if (page && begunFor === manager.signOuts) addStored(page.items);
  }

  /** @param {readonly Notification[]} items newest first */
  function addStored(items) {
    const stored = marks.applied(items.filter(isWanted));
    update({ items: merged(state.items, stored, Math.max(keep, state.items.length + stored.length)) });
  }

  function stop() {
    for (const unsubscribe of unsubscribes) unsubscribe?.();
    unsubscribes = [];
    burst.stop();
  }

  /** Adds a page of what was sent before the oldest item. Returns whether there is more. */
  async function loadOlder(limit = 50) {
    const type = types?.length === 1 ? types[0] : undefined;
    let page = await manager.history({ limit, before: oldestCursor(state.items), type });
    while (page.more && !page.items.some(isWanted)) {
      const further = await page.next();
      if (!further) break;
      page = further;
    }
    addStored(page.items);
    return page.more;
  }

  /**
   * Shows at once what is about to be told to the service, and takes it back when that fails. Whether it was told.
   *
   * @param {readonly Notification[]} turned the items that change
   * @param {Pick<ReadMark, "upto" | "ids" | "read">} mark
   * @param {number} unread how many are left
   */
  async function tellRead(turned, mark, unread) {
    const before = state.unread;
    applyMark(mark);
    update({ unread });
    readStateOf(manager).tellViews(mark, onPageMark);
    try {
      await manager.markRead?.(mark.upto ?? { ids: mark.ids ?? [], read: mark.read });
      return true;
    } catch {
      if (state.countedBy === "page") return true; // it is kept here
      const undone = { upto: null, ids: turned.map(({ notification_id: id }) => id), read: !mark.read };
      applyMark(undone);
      update({ unread: before });
      readStateOf(manager).tellViews(undone, onPageMark);
      count();
      return false;
    }
  }

  /**
   * How many are unread once `turned` are read, or unread again.
   *
   * @param {readonly Notification[]} turned
   * @param {boolean} read
   */
  function unreadAfter(turned, read) {
    const isCounted = (/** @type {Notification} */ item) =>
      !item.silent && (item.recipient_id || state.countedBy === "page");
    const counted = turned.filter(isCounted).length;
    return Math.max(0, state.unread + (read ? -counted : counted));
  }

  /** @param {Pick<ReadMark, "upto" | "ids" | "read">} mark made by another view of this page */
  function onPageMark(mark) {
    const before = state.items;
    applyMark(mark);
    const turned = state.items.filter((item, index) => Boolean(item.read) !== Boolean(before[index]?.read));
    if (state.countedBy === "page") update({ unread: mark.upto ? 0 : unreadAfter(turned, mark.read) });
  }

  /**
   * @param {readonly string[]} ids
   * @param {boolean} [read]
   */
  function markRead(ids, read = true) {
    const turned = state.items.filter((item) => ids.includes(item.notification_id) && Boolean(item.read) !== read);
    return tellRead(turned, { upto: null, ids: [...ids], read }, unreadAfter(turned, read));
  }

  async function markAllRead() {
    const turned = state.items.filter(({ read }) => !read);
    const upto = types ? null : (manager.cursor ?? state.items[0]?.cursor ?? null);
    if (!turned.length && !state.unread) return true;
    return tellRead(turned, { upto, ids: turned.map(({ notification_id: id }) => id), read: true }, 0);
  }

  if (!idle) listen();
  return {
    getState: () => state,
    listen,
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => {
        subscribers.delete(subscriber);
      };
    },
    markRead,
    markAllRead,
    clear: () => update({ items: EMPTY.items, last: null, unread: state.countedBy === "service" ? state.unread : 0 }),
    loadOlder,
    signOut: () => manager.signOut(),
    switchUser: (who) => void manager.switchUser(who),
    destroy() {
      stop();
      subscribers.clear();
    },
  };
}

/**
 * Tells whether an item is of one of `types`. Without `types` every item is.
 *
 * @param {readonly string[]} [types]
 * @returns {(item: Notification) => boolean}
 */
export function wants(types) {
  return (item) => !types || types.includes(item.notification_type);
}

/**
 * The cursor of the oldest item of the newest log. What is of a log before that has no older ones any more.
 *
 * @param {readonly Notification[]} items
 */
function oldestCursor(items) {
  if (!items.length) return undefined;
  const [epoch] = splitCursor(items[0].cursor);
  return items.filter(({ cursor }) => splitCursor(cursor)[0] === epoch).at(-1)?.cursor;
}

/**
 * What changes when `items` come, in order of arrival. Those that were there before the page was are no news.
 *
 * @param {NotificationView} state
 * @param {readonly Notification[]} items
 * @param {number} keep
 * @returns {Pick<NotificationView, "items" | "last" | "unread">}
 */
export function received(state, items, keep) {
  const news = items.filter(({ initial }) => !initial);
  const unread = news.filter(({ silent, read }) => !silent && !read).length;
  return {
    items: merged(state.items, items, Math.max(keep, state.items.length)),
    last: news.reduce(laterOf, state.last),
    unread: state.countedBy === "service" ? state.unread : state.unread + unread,
  };
}

/**
 * The one that was sent later: types that were held back come after younger ones of other types.
 *
 * @param {Notification | null} a
 * @param {Notification} b
 * @returns {Notification | null}
 */
function laterOf(a, b) {
  return a && isAfter(a.cursor, b.cursor) ? a : b;
}

/**
 * Both lists in one, newest first, each cursor once. What is of an older log (before a reset) comes last.
 *
 * @param {readonly Notification[]} items newest first
 * @param {readonly Notification[]} more
 * @param {number} keep
 */
export function merged(items, more, keep) {
  if (isInOrder(items, more)) return [...more.slice(-keep).reverse(), ...items].slice(0, keep);
  /** @type {Map<string, number>} */
  const ranks = new Map(); // of each log, the newest first
  /** @type {Map<string, { item: Notification, rank: number, position: number }>} */
  const byCursor = new Map();
  for (const item of [...more, ...items]) {
    const [epoch, position] = splitCursor(item.cursor);
    const rank = ranks.get(epoch) ?? ranks.size;
    ranks.set(epoch, rank);
    byCursor.set(item.cursor, { item, rank, position });
  }
  const sorted = [...byCursor.values()].sort((a, b) => a.rank - b.rank || b.position - a.position);
  return sorted.slice(0, keep).map(({ item }) => item);
}

/**
 * The usual case, in which there is nothing to sort: `more` rises, and all of it lies after `items`.
 *
 * @param {readonly Notification[]} items
 * @param {readonly Notification[]} more
 */
function isInOrder([newest], more) {
  /** @type {[epoch: string | null, position: number]} */
  let [epoch, last] = newest ? splitCursor(newest.cursor) : [null, -1];
  for (const { cursor } of more) {
    const [itsEpoch, position] = splitCursor(cursor);
    if (position <= last || (epoch !== null && epoch !== itsEpoch)) return false;
    epoch = itsEpoch;
    last = position;
  }
  return true;
}
