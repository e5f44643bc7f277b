// Cursors, `<epoch>.<id>`: the order of what arrives. Pure.

/**
 * Whether `a` lies after `b`. Within one epoch ids strictly rise. A cursor of another epoch is never after: a stream
 * changes its epoch only by a `reset`.
 */
export function isAfter(a, b) {
  if (!b) return true;
  const [epochA, idA] = a.split(".");
  const [epochB, idB] = b.split(".");
  return epochA === epochB && +idA > +idB;
}
