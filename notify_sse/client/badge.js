// The unread badge: how many notifications came since the user last looked, in every tab and across reloads.
import { isAfter } from "./src/cursor.js";
import { bursts } from "./bursts.js";

/**
 * `{count, text, subscribe, markAllRead, destroy}` for `manager`. `key`: where the last read cursor is kept in
 * localStorage; `types`: count only these; `max`: beyond it `text` is "99+"; `everyMs`: at most one update in that time.
 */
export function createBadge(manager, { key, types, max = 99, everyMs = 0, app = false, nextFrame } = {}) {
  const place = key ?? `notify-sse:read:${manager.options.url}:${manager.options.user ?? ""}`;
  const subscribers = new Set();
  const counts = (item) => !types || types.includes(item.notification_type);
  const burst = bursts((items) => show(count + items.filter((item) => isAfter(item.cursor, read)).length), {
    throttle: { "*": everyMs },
    nextFrame,
  });
  let read = remembered(place);
  let count = 0;

  function show(next) {
    count = next;
    if (app) globalThis.navigator?.[count ? "setAppBadge" : "clearAppBadge"]?.(count || undefined)?.catch(() => {});
    for (const subscriber of [...subscribers]) subscriber(count, text());
  }

  const text = () => (count > max ? `${max}+` : count ? String(count) : "");

  /** What was missed while no page was open: counted once, up to `max` and one. */
  async function countMissed() {
    if (!read) return;
    const { items, reset } = await manager.history({ after: read, order: "asc", limit: Math.min(max + 1, 500) });
    const { cursor } = manager;
    if (!reset) show(count + items.filter((item) => counts(item) && !isAfter(item.cursor, cursor)).length);
  }

  function markAllRead() {
    read = manager.cursor ?? read;
    remember(place, read);
    burst.stop();
    show(0);
  }

  const otherTab = (event) => {
    if (event.key !== place || !event.newValue) return;
    read = event.newValue;
    burst.stop();
    show(0);
  };
  globalThis.addEventListener?.("storage", otherTab);
  const stop = manager.onAll((item) => counts(item) && burst.add(item, "*"));

  return {
    get count() {
      return count;
    },
    get text() {
      return text();
    },
    subscribe(subscriber) {
      subscribers.add(subscriber);
      return () => subscribers.delete(subscriber);
    },
    countMissed,
    markAllRead,
    destroy() {
      stop();
      burst.stop();
      globalThis.removeEventListener?.("storage", otherTab);
    },
  };
}

function remembered(place) {
  try {
    return globalThis.localStorage?.getItem(place) ?? null;
  } catch {
    return null;
  }
}

function remember(place, cursor) {
  try {
    if (cursor) globalThis.localStorage?.setItem(place, cursor);
  } catch {} // a full or forbidden storage: the badge starts anew after a reload
}
