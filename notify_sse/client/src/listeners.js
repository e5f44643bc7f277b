// Calls listeners, one after the other.

/**
 * A listener that throws is the page's error. It does not keep the others from being called.
 *
 * @template {unknown[]} Values
 * @param {Iterable<(...values: Values) => unknown>} listeners
 * @param {Values} values
 */
export function callListeners(listeners, ...values) {
  for (const listener of [...listeners]) {
    try {
      listener(...values);
    } catch (error) {
      (globalThis.reportError ?? console.error)(error);
    }
  }
}
