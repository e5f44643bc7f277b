// `initial: 20`: the newest stored notifications, for a page that has just been loaded. They come first, oldest of them first, and
// what comes after them goes on without a gap: what the kept cursor has not reached yet comes by the stream.
import { isAfter, isOfSameLog } from "./cursor.js";

/** @import { Notification, NotificationConnectionManager } from "../notify-sse.js" */

/**
 * Hands the newest page over. Returns the cursor from which the stream is to go on. When the page cannot be had now, the stream
 * begins without it, and it is handed over once there is a connection.
 *
 * @param {Pick<NotificationConnectionManager<any>, "cursor" | "history" | "onState" | "options">} manager
 * @param {(item: Notification) => void} tell does nothing when the page has turned to something else meanwhile
 * @returns {Promise<string | null>}
 */
export async function handOverInitial(manager, tell) {
  const { cursor } = manager;
  try {
    return await handOver(manager, cursor, tell);
  } catch {
    const stop = manager.onState(({ status }) => {
      if (status !== "connected") return;
      stop();
      // After the frame that came with the state: the cursor from which the stream began.
      Promise.resolve()
        .then(() => handOver(manager, cursor ?? manager.cursor, tell))
        .catch(() => {});
    });
    return cursor;
  }
}

/**
 * @param {Pick<NotificationConnectionManager<any>, "history" | "options">} manager
 * @param {string | null} cursor
 * @param {(item: Notification) => void} tell
 */
async function handOver({ history, options }, cursor, tell) {
  const page = await history({ limit: options.initial });
  const from = cursor ?? page.cursor;
  const seen = page.items.filter((item) => !isAfter(item.cursor, from) && isOfSameLog(item.cursor, from));
  for (const item of seen.reverse()) tell({ ...item, initial: true });
  return from;
}
