// `initial: 20`: the newest stored notifications, for a page that has just been loaded. They come first, oldest of them first, and
// what comes after them goes on without a gap: what the kept cursor has not reached yet comes by the stream.
import { isAfter, isOfSameLog } from "./cursor.js";
import "./history.js"; // the manager loads it for a page of the history: so it is there

/** @import { Notification, NotificationConnectionManager } from "../notify-sse.js" */

/**
 * Reads the newest page. Returns what hands it over to `tell`, as far as the cursor `begin`, from which the stream begins. That is the
 * end of the page when it is null, or was kept for somebody else: `beginOf` says for whom. It returns where the stream goes on; null
 * when the user was signed out meanwhile.
 *
 * @param {Pick<NotificationConnectionManager<any>, "history" | "options" | "signOuts">} manager
 */
export async function readInitial(manager) {
  const { options, signOuts } = manager;
  const page = await manager.history({ limit: options.initial });
  const isOurs = () => signOuts === manager.signOuts;
  /**
   * @param {string | null} begin
   * @param {string | null} beginOf
   * @param {(item: Notification) => void} tell
   */
  return (begin, beginOf, tell) => {
    const isForeign = beginOf && page.recipient_id && beginOf !== page.recipient_id;
    const from = (!isForeign && begin) || page.cursor;
    const seen = page.items.filter((item) => !isAfter(item.cursor, from) && isOfSameLog(item.cursor, from));
    for (const item of seen.reverse()) {
      if (isOurs()) tell({ ...item, initial: true }); // a listener may sign the user out
    }
    return isOurs() ? from : null;
  };
}
