// What happens to a page: it is hidden and shown, frozen, kept in the back/forward cache, off and on the network.

/**
 * @typedef {object} PageWatcher
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {(changed: boolean) => void} wake
 * @property {() => void} offline
 */

/**
 * Tells a page what happens to the page. Returns the function that ends that.
 *
 * @param {PageWatcher} page its functions, which need no object
 */
export function watchPage({ pause, resume, wake, offline }) {
  const { window, document } = globalThis;
  if (!document) return () => {};
  /** @type {[target: EventTarget, event: string, listener: (event: any) => void][]} */
  const watched = [
    [window, "pagehide", pause],
    [window, "pageshow", ({ persisted }) => persisted && resume()],
    [document, "freeze", pause],
    [document, "resume", resume],
    [document, "visibilitychange", () => document.hidden || wake(false)],
    [window, "online", () => wake(true)],
    [window, "offline", offline],
  ];
  for (const [target, event, listener] of watched) target.addEventListener(event, listener);
  return () => {
    for (const [target, event, listener] of watched) target.removeEventListener(event, listener);
  };
}
