// Keeps the cursor across page reloads. At most one write a second: storage is synchronous.
const EVERY_MS = 1000;

/** `where`: "session", "local" or "none". A browser that refuses storage keeps nothing, and says nothing. */
export function cursorKeeper(where, key) {
  let cursor = null;
  let timer = null;
  const area = storage(where);

  function write() {
    clearTimeout(timer);
    timer = null;
    try {
      if (cursor) area?.setItem(key, cursor);
    } catch {} // full
  }

  return {
    load: () => area?.getItem(key) ?? null,
    save(newer) {
      cursor = newer;
      timer ??= setTimeout(write, EVERY_MS);
    },
    write,
  };
}

function storage(where) {
  try {
    return globalThis[`${where}Storage`]; // the getter itself throws where cookies are blocked
  } catch {}
}
