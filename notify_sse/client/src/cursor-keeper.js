// Keeps the cursor across page reloads. The first cursor is written at once, later ones at most every tenth of a second
// (storage is synchronous), and the last one when the page goes. Firefox may forget that last write: a page then starts
// from the one before, and gets what came since a second time, rather than never.
const EVERY_MS = 100;

/**
 * A browser that refuses storage keeps nothing, and says nothing.
 *
 * @param {"session" | "local" | "none" | undefined} where
 * @param {string} key
 */
export function cursorKeeper(where, key) {
  /** @type {string | null} */
  let cursor = null;
  /** @type {string | null} */
  let written = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const area = storage(where);

  function write() {
    clearTimeout(timer);
    timer = undefined;
    if (cursor === null || cursor === written) return;
    try {
      area?.setItem(key, cursor);
      written = cursor;
    } catch {
      // The storage is full. The next write may find room.
    }
  }

  /** @param {string} newer */
  function save(newer) {
    cursor = newer;
    if (written === null) write();
    else timer ??= setTimeout(write, EVERY_MS);
  }

  return { load: () => area?.getItem(key) ?? null, save, write };
}

/**
 * @param {string | undefined} where
 * @returns {Storage | undefined}
 */
function storage(where) {
  try {
    if (where === "session") return globalThis.sessionStorage;
    if (where === "local") return globalThis.localStorage;
  } catch {
    // Where cookies are blocked, even looking at the storage throws.
  }
  return undefined;
}
