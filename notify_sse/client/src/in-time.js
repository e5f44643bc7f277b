// Modules that are loaded when they are needed may hang as the network does. Nobody waits for them without end.

/**
 * What `loading` gives; null when it fails, or has not come in time.
 *
 * @template T
 * @param {Promise<T>} loading
 * @param {number} [limitMs]
 * @returns {Promise<T | null>}
 */
export function inTime(loading, limitMs = 2000) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs, null);
    const end = (/** @type {T | null} */ given) => {
      clearTimeout(timer);
      resolve(given);
    };
    loading.then(end, () => end(null));
  });
}
