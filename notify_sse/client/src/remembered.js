// Which transport worked the last time, for a day: a page behind a proxy that lets only some of them through begins with one
// that it does. It is about the network, not about the user.
const KEPT_MS = 86400000;

/** @param {string} url of the service */
function keyFor(url) {
  return `notify-sse:transport:${url}`;
}

/** @param {string} url */
export function rememberedTransport(url) {
  try {
    const [name, atMs] = localStorage.getItem(keyFor(url))?.split(" ") ?? [];
    return Date.now() - Number(atMs) < KEPT_MS ? name : undefined;
  } catch {
    return undefined; // no storage, or none for us
  }
}

/**
 * There is nothing to remember of the best ones.
 *
 * @param {string} url
 * @param {string | null} name
 */
export function rememberTransport(url, name) {
  try {
    if (name === "websocket" || name === "longpoll") localStorage.setItem(keyFor(url), `${name} ${Date.now()}`);
    else localStorage.removeItem(keyFor(url));
  } catch {
    // The next page finds it out again.
  }
}
