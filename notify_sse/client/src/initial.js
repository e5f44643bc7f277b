// `initial: 20`: the newest stored notifications, for a page that has just been loaded. They come first, oldest of them first, and
// what comes after them goes on without a gap: what the kept cursor has not reached yet comes by the stream.
import { isAfter, isOfSameLog } from "./cursor.js";
import "./history.js"; // the manager loads it for a page of the history: so it is there
import { inTime } from "./in-time.js";

/** @import { HistoryPage, Notification, NotificationConnectionManager } from "../notify-sse.js" */

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
  const page = await inTime(readNewest(manager));
  if (page) return handOver(page, cursor ?? page.cursor, tell);
  const stop = manager.onState(async ({ status }) => {
    if (status !== "connected") return;
    stop();
    await null; // the frame that came with the state is told first: it has the cursor from which the stream began
    const from = cursor ?? manager.cursor;
    const late = await readNewest(manager).catch(() => null);
    if (late) handOver(late, from ?? late.cursor, tell);
  });
  return cursor;
}

/** @param {Pick<NotificationConnectionManager<any>, "history" | "options">} manager */
function readNewest({ history, options }) {
  return history({ limit: options.initial });
}

/**
 * @param {HistoryPage} page
 * @param {string} from
 * @param {(item: Notification) => void} tell
 */
function handOver(page, from, tell) {
  const seen = page.items.filter((item) => !isAfter(item.cursor, from) && isOfSameLog(item.cursor, from));
  for (const item of seen.reverse()) tell({ ...item, initial: true });
  return from;
}
