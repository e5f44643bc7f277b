// A page's view of its notifications: the newest ones, how many are unread, how the connection is. Independent of any
// framework; the ties to React, Zustand and Redux are made of it.

import { isAfter } from "../src/cursor.js";
import { callListeners } from "../src/listeners.js";
import { bursts } from "./bursts.js";

export const EMPTY = Object.freeze({ connection: null, items: Object.freeze([]), last: null, unread: 0, resets: 0 });

/**
 * `{getState, subscribe, listen, markAllRead, clear, loadOlder, destroy}` for `manager`. State is replaced, never
 * changed, at most once a frame. `keep`: how many items; `throttle`: see bursts.js; `types`: only these. With
 * `idle` it follows the manager only from `listen()` on, which returns what ends that.
 */
export function createNotificationStore(manager, { keep = 200, throttle, types, nextFrame, idle = false } = {}) {
  let state = { ...EMPTY, connection: manager.state };
  let stops = [];
  const subscribers = new Set();
  const wanted = wants(types);
  const burst = bursts((items) => set(received(state, items, keep)), { throttle, nextFrame });

  function set(change) {
    state = { ...state, ...change };
    callListeners(subscribers, state);
  }

  function listen() {
    stop();
    stops = [
      manager.onAll((item) => wanted(item) && burst.add(item, item.notification_type)),
      manager.onState((connection) => set({ connection })),
      manager.onReset(({ items }) =>
        set({ resets: state.resets + 1, items: merged(state.items, (items ?? []).filter(wanted), keep) }),
      ),
    ];
    if (state.connection !== manager.state) set({ connection: manager.state });
    return stop;
  }

  function stop() {
    stops.splice(0).forEach((end) => end());
    burst.stop();
  }

  if (!idle) listen();
  return {
    getState: () => state,
    listen,
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    markAllRead: () => state.unread && set({ unread: 0 }),
    clear: () => set({ items: EMPTY.items, last: null, unread: 0 }),
    /** Adds a page of what was sent before the oldest item; whether there is more. */
    async loadOlder(limit = 50) {
      const type = types?.length === 1 ? types[0] : undefined;
      let page = await manager.history({ limit, before: oldest(state.items), type });
      while (page.more && !page.items.some(wanted)) page = await page.next();
      set({ items: merged(state.items, page.items.filter(wanted), Infinity) });
      return page.more;
    },
    destroy() {
      stop();
      subscribers.clear();
    },
  };
}

/** Whether an item is of one of `types`, if there are any. */
export const wants = (types) => (item) => !types || types.includes(item.notification_type);

/** The cursor of the oldest item of the newest log: what is of a log before that has no older ones any more. */
function oldest(items) {
  if (!items.length) return undefined;
  const [epoch] = split(items[0].cursor);
  return items.filter(({ cursor }) => split(cursor)[0] === epoch).at(-1).cursor;
}

/** What changes when `items` (in order of arrival) come. */
export function received(state, items, keep) {
  return {
    items: merged(state.items, items, Math.max(keep, state.items.length)),
    last: items.reduce(later, state.last),
    unread: state.unread + items.length,
  };
}

/** The one that was sent later: types that were held back come after younger ones of others. */
const later = (a, b) => (a && isAfter(a.cursor, b.cursor) ? a : b);

/** Both lists in one, newest first, each cursor once. What is of an older log (before a reset) comes last. */
export function merged(items, more, keep) {
  if (isOrdered(items, more)) return [...more.slice(-keep).reverse(), ...items].slice(0, keep);
  const ranks = new Map();
  const byCursor = new Map();
  for (const item of [...more, ...items]) {
    const [epoch, id] = split(item.cursor);
    if (!ranks.has(epoch)) ranks.set(epoch, ranks.size);
    byCursor.set(item.cursor, { item, rank: ranks.get(epoch), id });
  }
  const sorted = [...byCursor.values()].sort((a, b) => a.rank - b.rank || b.id - a.id);
  return sorted.slice(0, keep).map(({ item }) => item);
}

/** The usual case, in which there is nothing to sort: `more` rises, and lies after all `items`. */
function isOrdered([newest], more) {
  let [epoch, last] = newest ? split(newest.cursor) : [null, -1];
  for (const { cursor } of more) {
    const [itsEpoch, id] = split(cursor);
    if (id <= last || (epoch !== null && epoch !== itsEpoch)) return false;
    [epoch, last] = [itsEpoch, id];
  }
  return true;
}

function split(cursor) {
  const dot = cursor.indexOf(".");
  return [cursor.slice(0, dot), +cursor.slice(dot + 1)];
}
