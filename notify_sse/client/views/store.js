// views/ is what a page shows: a store of the newest notifications, an unread badge, a banner. This is the store. It depends on
// no framework: frameworks/ ties it to React, Zustand and Redux.
import { isAfter, splitCursor } from "../src/cursor.js";
import { callListeners } from "../src/listeners.js";
import { bursts } from "./bursts.js";

/** @import { Notification, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { NotificationStore, NotificationView, StoreOptions } from "./store.js" */

/** @type {Readonly<NotificationView>} */
export const EMPTY = Object.freeze({ connection: null, items: Object.freeze([]), last: null, unread: 0, resets: 0 });

/**
 * A store that follows `manager`. Its state is replaced, never changed, at most once a frame.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {StoreOptions} [options]
 * @returns {NotificationStore}
 */
export function createNotificationStore(manager, { keep = 200, throttle, types, nextFrame, idle = false } = {}) {
  /** @type {NotificationView} */
  let state = { ...EMPTY, connection: manager.state };
  /** Whose items these are: how often somebody had signed out before them. */
  let signOuts = manager.signOuts;
  /** @type {(() => void)[]} */
  let unsubscribes = [];
  /** @type {Set<(state: NotificationView) => void>} */
  const subscribers = new Set();
  const isWanted = wants(types);
  const burst = bursts((/** @type {Notification[]} */ items) => update(received(state, items, keep)), {
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
      manager.onState((connection) => update({ connection })),
      manager.onReset(({ items }) => {
        const stored = (items ?? []).filter(isWanted);
        update({ resets: state.resets + 1, items: merged(state.items, stored, keep) });
      }),
      manager.onSignOut(forget),
    ];
    if (state.connection !== manager.state) update({ connection: manager.state });
    return stop;
  }

  function stop() {
    for (const unsubscribe of unsubscribes) unsubscribe();
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
    update({ items: merged(state.items, page.items.filter(isWanted), Number.POSITIVE_INFINITY) });
    return page.more;
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
    markAllRead() {
      if (state.unread) update({ unread: 0 });
    },
    clear: () => update({ items: EMPTY.items, last: null, unread: 0 }),
    loadOlder,
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
 * What changes when `items` come, in order of arrival.
 *
 * @param {NotificationView} state
 * @param {readonly Notification[]} items
 * @param {number} keep
 * @returns {Pick<NotificationView, "items" | "last" | "unread">}
 */
export function received(state, items, keep) {
  return {
    items: merged(state.items, items, Math.max(keep, state.items.length)),
    last: items.reduce(laterOf, state.last),
    unread: state.unread + items.length,
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
