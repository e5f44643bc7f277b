// Keeps the cursor across page reloads, with the recipient whose it is. The first cursor is written at once, later ones at most
// every tenth of a second (storage is synchronous), and the last one when the page goes. Firefox may forget that last write: a
// page then starts from the one before, and gets what came since a second time, rather than never.
const EVERY_MS = 100;

/**
 * @typedef {object} Kept
 * @property {string | null} cursor
 * @property {string | null} recipient null when it is not known
 */

/**
 * A browser that refuses storage keeps nothing, and says nothing.
 *
 * @param {"session" | "local" | "none" | undefined} where
 * @param {string} key
 */
export function cursorKeeper(where, key) {
  /** @type {string | null} */
  let latest = null;
  /** @type {string | null} */
  let written = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const area = storage(where);

  function write() {
    clearTimeout(timer);
    timer = undefined;
    if (latest === null || latest === written) return;
    try {
      area?.setItem(key, latest);
      written = latest;
    } catch {
      // The storage is full. The next write may find room.
    }
  }

  /**
   * @param {string} cursor
   * @param {string | null} recipient
   */
  function save(cursor, recipient) {
    latest = formatKept({ cursor, recipient });
    if (written === null) write();
    else timer ??= setTimeout(write, EVERY_MS);
  }

  function forget() {
    clearTimeout(timer);
    timer = undefined;
    latest = null;
    written = null;
    area?.removeItem(key);
  }

  return { load: () => parseKept(area?.getItem(key)), save, write, forget };
}

/**
 * `k3f9a1.4711 alice`. A cursor has no space.
 *
 * @param {Kept} kept
 */
export function formatKept({ cursor, recipient }) {
  return recipient ? `${cursor} ${recipient}` : `${cursor}`;
}

/**
 * @param {string | null | undefined} text
 * @returns {Kept}
 */
export function parseKept(text) {
  const [cursor] = (text ?? "").split(" ", 1);
  return { cursor: cursor || null, recipient: text?.slice(cursor.length + 1) || null };
}

/**
 * There is none for "none".
 *
 * @param {string | undefined} where
 * @returns {Storage | undefined}
 */
function storage(where) {
  try {
    return Reflect.get(globalThis, `${where}Storage`);
  } catch {
    return undefined; // where cookies are blocked, even looking at the storage throws
  }
}
