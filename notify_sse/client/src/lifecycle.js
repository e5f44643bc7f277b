// What happens to a page: it is hidden and shown, frozen, kept in the back/forward cache, off and on the network.

/**
 * @typedef {object} PageWatcher
 * @property {() => void} pause
 * @property {() => void} resume
 * @property {(changed: boolean) => void} wake
 * @property {() => void} offline
 */

/**
 * Tells `page` what happens to the page. Returns the function that ends that.
 *
 * @param {PageWatcher} page
 */
export function watchPage(page) {
  const { window, document } = globalThis;
  if (!document) return () => {};
  /** @type {[target: EventTarget, event: string, listener: (event: any) => void][]} */
  const watched = [
    [window, "pagehide", () => page.pause()],
    [window, "pageshow", ({ persisted }) => persisted && page.resume()],
    [document, "freeze", () => page.pause()],
    [document, "resume", () => page.resume()],
    [document, "visibilitychange", () => document.hidden || page.wake(false)],
    [window, "online", () => page.wake(true)],
    [window, "offline", () => page.offline()],
  ];
  for (const [target, event, listener] of watched) target.addEventListener(event, listener);
  return () => {
    for (const [target, event, listener] of watched) target.removeEventListener(event, listener);
  };
}
