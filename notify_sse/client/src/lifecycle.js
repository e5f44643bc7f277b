// What happens to a page: hidden and shown, frozen, kept in the back/forward cache, off and on the network.

/** Calls `page.pause()`, `page.resume()`, `page.wake(changed)`, `page.offline()`; returns what ends that. */
export function watchPage(page) {
  const { window, document } = globalThis;
  if (!document) return () => {};
  const watched = [
    [window, "pagehide", () => page.pause()],
    [window, "pageshow", ({ persisted }) => persisted && page.resume()],
    [document, "freeze", () => page.pause()],
    [document, "resume", () => page.resume()],
    [document, "visibilitychange", () => document.hidden || page.wake(false)],
    [window, "online", () => page.wake(true)],
    [window, "offline", () => page.offline()],
  ];
  for (const [target, event, act] of watched) target.addEventListener(event, act);
  return () => watched.forEach(([target, event, act]) => target.removeEventListener(event, act));
}
