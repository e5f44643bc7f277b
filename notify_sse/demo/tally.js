// Counts what this page published for its own user against what came back: nothing may be missing, repeated or
// out of order.

export class Tally {
  #sent = new Set();
  #received = new Map(); // id → cursor
  #last = null;
  repeated = 0;
  disordered = 0;

  constructor(changed) {
    this.changed = changed;
  }

  sent(ids) {
    for (const id of ids) this.#sent.add(id);
    this.changed();
  }

  received({ notification_id: id, cursor }) {
    if (this.#received.has(id)) this.repeated += 1;
    if (this.#last && !isLater(cursor, this.#last)) this.disordered += 1;
    this.#received.set(id, cursor);
    this.#last = cursor;
    this.changed();
  }

  /** The page asked for all after `cursor` again: that is no repetition. */
  rewind(cursor) {
    for (const [id, at] of this.#received) {
      if (isLater(at, cursor)) this.#received.delete(id);
    }
    this.#last = cursor;
    this.changed();
  }

  /** The cursor before the newest `count` that were received. */
  cursorBefore(count) {
    const cursors = [...this.#received.values()];
    return cursors.at(-count - 1) ?? (cursors[0] ? stepBack(cursors[0]) : null);
  }

  get counts() {
    const missing = [...this.#sent].filter((id) => !this.#received.has(id)).length;
    const { repeated, disordered } = this;
    return { sent: this.#sent.size, received: this.#received.size, missing, repeated, disordered };
  }
}

/** Whether `a` came after `b`; what is of a new log came after all that is of the old one. */
function isLater(a, b) {
  const [epochA, positionA] = a.split(".");
  const [epochB, positionB] = b.split(".");
  return epochA !== epochB || Number(positionA) > Number(positionB);
}

function stepBack(cursor) {
  const [epoch, position] = cursor.split(".");
  return `${epoch}.${Number(position) - 1}`;
}
