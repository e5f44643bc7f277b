// The unread badge: how many notifications came since the user last looked, in every tab and across reloads.
import { isAfter } from "../src/cursor.js";
import { callListeners } from "../src/listeners.js";
import { bursts } from "./bursts.js";
import { wants } from "./store.js";

/**
 * `{count, text, subscribe, markAllRead, destroy}` for `manager`. `key`: where the last read cursor is kept in
 * localStorage; `types`: count only these; `max`: beyond it `text` is "99+"; `everyMs`: at most one update in that time.
 */
export function createBadge(manager, { key, types, max = 99, everyMs = 0, app = false, nextFrame } = {}) {
  const place = key ?? `notify-sse:read:${manager.options.url}:${manager.options.user ?? ""}`;
  const subscribers = new Set();
  const wanted = wants(types);
  const burst = bursts((items) => show(count + items.filter(isUnread).length), {
    throttle: { "*": everyMs },
    nextFrame,
  });
  const missed = new Set(); // cursors that were counted from the history
  let heard = null; // the first cursor that came over the stream
  let read = remembered(place);
  let count = 0;

  /** What is of another log than the last that was read came after it: a log never comes back. */
  const isUnread = ({ cursor }) => !missed.has(cursor) && (isAfter(cursor, read) || !isOfOneLog(cursor, read));

  function add(item) {
    if (!wanted(item)) return;
    heard ??= item.cursor;
    burst.add(item, "*");
  }

  function show(next) {
    count = next;
    if (app) globalThis.navigator?.[count ? "setAppBadge" : "clearAppBadge"]?.(count || undefined)?.catch(() => {});
    callListeners(subscribers, count, text());
  }

  const text = () => (count > max ? `${max}+` : count ? String(count) : "");

  /** What was missed while no page was open: counted once, up to `max` and one. */
  async function countMissed() {
    if (!read) return;
    const asked = { after: read, order: "asc", limit: Math.min(max + 1, 500) };
    const pages = await Promise.all((types ?? [undefined]).map((type) => manager.history({ ...asked, type })));
    if (asked.after !== read) return; // it was read meanwhile
    const items = pages.flatMap((page) => (page.reset ? [] : page.items));
    const fresh = items.filter(({ cursor }) => isUnread({ cursor }) && !comes(cursor));
    for (const { cursor } of fresh) missed.add(cursor);
    show(count + fresh.length);
  }

  /** Whether the stream brought it, or is about to. */
  const comes = (cursor) => heard && !isAfter(heard, cursor);

  function clear(cursor) {
    read = cursor;
    missed.clear();
    burst.stop();
    show(0);
  }

  function markAllRead() {
    clear(manager.cursor ?? read);
    remember(place, read);
  }

  const otherTab = (event) => event.key === place && event.newValue && clear(event.newValue);
  globalThis.addEventListener?.("storage", otherTab);
  const stop = manager.onAll(add);

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

const isOfOneLog = (a, b) => a.split(".")[0] === b.split(".")[0];

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
