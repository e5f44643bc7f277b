// What a screen reader is told of arrivals: politely, and no more often than it can say. One is spoken at once, with its title. Of
// those that come soon after it, one is spoken so too; of more than one, how many are unread.
import { titleOf } from "./items.js";

/** @import { Notification } from "../../notify-sse.js" */
/** @import { InboxTexts } from "../../views/notify-inbox.js" */

const REST_MS = 5000;

/**
 * @param {HTMLElement} place a live region
 * @param {() => { texts: InboxTexts, unread: number }} now
 */
export function speechIn(place, now) {
  /** @type {Notification | null} */
  let last = null;
  let count = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  function speak() {
    timer = undefined;
    if (!last) return;
    const { texts, unread } = now();
    const [text, name, value] =
      count > 1 ? [texts.bell, "{n}", String(unread)] : [texts.arrived, "{title}", titleOf(last)];
    place.textContent = text.replace(name, () => value);
    last = null;
    count = 0;
    timer = setTimeout(speak, REST_MS);
  }

  /** @param {Notification} item */
  function add(item) {
    last = item;
    count += 1;
    if (!timer) speak();
  }

  function stop() {
    clearTimeout(timer);
    timer = undefined;
    last = null;
    count = 0;
    place.textContent = "";
  }

  return { add, stop };
}
