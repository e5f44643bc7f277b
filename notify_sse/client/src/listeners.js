// Tells listeners of something, one after the other.

/** A listener that throws is the page's error, and keeps nobody else from being called. */
export function callListeners(listeners, ...values) {
  for (const listener of [...listeners]) {
    try {
      listener(...values);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error);
    }
  }
}
