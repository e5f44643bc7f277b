// Keeps the cursor across page reloads. The first one is written at once, later ones at most every tenth of a second
// (storage is synchronous), and the last when the page goes. Firefox may forget that last write: a page then starts
// from the one before, and gets what came since a second time, rather than never.
const EVERY_MS = 100;

/** `where`: "session", "local" or "none". A browser that refuses storage keeps nothing, and says nothing. */
export function cursorKeeper(where, key) {
  let cursor = null;
  let timer = null;
  let written = null;
  const area = storage(where);

  function write() {
    clearTimeout(timer);
    timer = null;
    if (cursor === written) return;
    try {
      area?.setItem(key, cursor);
      written = cursor;
    } catch {} // full
  }

  return {
    load: () => area?.getItem(key) ?? null,
    save(newer) {
      cursor = newer;
      if (written) timer ??= setTimeout(write, EVERY_MS);
      else write();
    },
    write,
  };
}

function storage(where) {
  try {
    return globalThis[`${where}Storage`]; // the getter itself throws where cookies are blocked
  } catch {}
}
