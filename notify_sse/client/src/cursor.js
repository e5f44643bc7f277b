// Cursors, `<epoch>.<position>`: the order of what arrives. Pure.

/**
 * @param {string} cursor
 * @returns {[epoch: string, position: number]}
 */
export function splitCursor(cursor) {
  const dot = cursor.indexOf(".");
  return [cursor.slice(0, dot), Number(cursor.slice(dot + 1))];
}

/**
 * @param {string} a
 * @param {string} b
 */
export function isOfSameLog(a, b) {
  return splitCursor(a)[0] === splitCursor(b)[0];
}

/**
 * Whether cursor `a` lies after cursor `b`. Within one epoch positions strictly rise. A cursor of another epoch is never
 * after: a stream changes its epoch only by a `reset`.
 *
 * @param {string} a
 * @param {string | null} [b]
 */
export function isAfter(a, b) {
  if (!b) return true;
  const [epochA, positionA] = splitCursor(a);
  const [epochB, positionB] = splitCursor(b);
  return epochA === epochB && positionA > positionB;
}
