// A page's view of its notifications: the newest ones, how many are unread, how the connection is. Independent of any
// framework; the ties to React, Zustand and Redux are made of it.
import { bursts } from "./bursts.js";

export const EMPTY = Object.freeze({ connection: null, items: Object.freeze([]), last: null, unread: 0, resets: 0 });

/**
 * `{getState, subscribe, markAllRead, clear, loadOlder, destroy}` for `manager`. State is replaced, never changed, at
 * most once a frame. `keep`: how many items; `throttle`: see bursts.js; `types`: only these.
 */
export function createNotificationStore(manager, { keep = 200, throttle, types, nextFrame } = {}) {
  let state = { ...EMPTY, connection: manager.state };
  const subscribers = new Set();
  const burst = bursts((items) => set(received(state, items, keep)), { throttle, nextFrame });

  function set(change) {
    state = { ...state, ...change };
    for (const subscriber of [...subscribers]) subscriber(state);
  }

  const stops = [
    manager.onAll((item) => (!types || types.includes(item.notification_type)) && burst.add(item, item.notification_type)),
    manager.onState((connection) => set({ connection })),
    manager.onReset(({ items }) => set({ resets: state.resets + 1, items: merged(state.items, items ?? [], keep) })),
  ];

  return {
    getState: () => state,
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    markAllRead: () => state.unread && set({ unread: 0 }),
    clear: () => set({ items: EMPTY.items, last: null, unread: 0 }),
    /** Adds a page of what was sent before the oldest item; whether there is more. */
    async loadOlder(limit = 50) {
      const before = state.items.at(-1)?.cursor ?? undefined;
      const { items, more } = await manager.history({ limit, before });
      set({ items: merged(state.items, items, Infinity) });
      return more;
    },
    destroy() {
      stops.forEach((stop) => stop());
      burst.stop();
      subscribers.clear();
    },
  };
}

/** What changes when `items` (in order of arrival) come. */
export function received(state, items, keep) {
  return {
    items: merged(state.items, items, Math.max(keep, state.items.length)),
    last: items.at(-1),
    unread: state.unread + items.length,
  };
}

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
