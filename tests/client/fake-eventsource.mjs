// An EventSource that a test opens, feeds and ends by hand.

export class FakeEventSource {
  static CLOSED = 2;
  static all = [];
  readyState = 0;
  heard = new Map();

  constructor(url) {
    this.query = Object.fromEntries(url.searchParams);
    FakeEventSource.all.push(this);
  }

  addEventListener(type, listener) {
    this.heard.set(type, listener);
  }

  close() {
    this.readyState = 2;
  }

  say(type, id, data = {}) {
    if (this.readyState === 2) return;
    this.readyState = 1;
    this.heard.get(type)({ type, lastEventId: id ?? "", data: JSON.stringify(data) });
  }

  connected(id, recipient) {
    this.onopen();
    this.say("connected", id, { heartbeat_s: 15, recipient_id: recipient });
  }

  fail() {
    this.onerror();
  }
}

/** Returns once what was promised is done, modules that are fetched when they are needed included. */
export async function settled() {
  for (let round = 0; round < 3; round++) {
    await import("../../notify_sse/client/src/trouble.js");
    for (let n = 0; n < 20; n++) await null;
  }
}
