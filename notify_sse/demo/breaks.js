// Breaks this page's own connections on purpose, as networks do: the client gets no hint that it was us. It puts classes of its
// own in the place of EventSource, WebSocket and fetch, before the client uses them.

/** What cuts each open connection. */
const open = new Set();
/** Resolved while the network flows. */
let flowing = Promise.resolve();
let release = null;

const NativeEventSource = globalThis.EventSource;
const NativeWebSocket = globalThis.WebSocket;
const nativeFetch = globalThis.fetch;

/** Streams and long polls. What a page publishes is not broken. */
const BREAKABLE = /\/stream\?|\/stream$|[?&]wait=/;

/** How many connections this page has. */
export function connections() {
  return open.size;
}

/** Resets every connection. */
export function cut() {
  const cuts = [...open];
  open.clear();
  for (const cutOne of cuts) cutOne();
}

export function isStalled() {
  return release !== null;
}

/** From now on nothing arrives, and nothing is closed: like a network that swallows packets. */
export function stall() {
  flowing = new Promise((resolve) => {
    release = resolve;
  });
}

export function flow() {
  release?.();
  release = null;
}

/** For a new connection. It works even while an old one is stalled: what was swallowed there stays swallowed. */
function swallower() {
  const born = flowing;
  const wasStalled = isStalled();
  return () => isStalled() && !(wasStalled && born === flowing);
}

globalThis.EventSource = class extends NativeEventSource {
  #swallows = swallower();

  constructor(...given) {
    super(...given);
    open.add(this.#cut);
  }

  /** As after a network error. The client closes it then. */
  #cut = () => {
    this.onerror?.(new Event("error"));
  };

  close() {
    open.delete(this.#cut);
    super.close();
  }

  addEventListener(type, listener) {
    super.addEventListener(type, (event) => {
      if (!this.#swallows()) listener(event);
    });
  }
};

globalThis.WebSocket = class extends NativeWebSocket {
  #swallows = swallower();

  constructor(...given) {
    super(...given);
    const cutThis = () => this.close();
    open.add(cutThis);
    this.addEventListener("close", () => open.delete(cutThis));
  }

  set onmessage(listener) {
    super.onmessage = (event) => {
      if (!this.#swallows()) listener(event);
    };
  }
};

globalThis.fetch = async (input, init = {}) => {
  const url = String(input instanceof Request ? input.url : input);
  if (!BREAKABLE.test(url)) return nativeFetch(input, init);
  const breaker = new AbortController();
  const cutThis = () => breaker.abort();
  open.add(cutThis);
  init.signal?.addEventListener("abort", () => open.delete(cutThis)); // the client closed it
  const signals = init.signal ? [breaker.signal, init.signal] : [breaker.signal];
  const answer = await nativeFetch(input, { ...init, signal: AbortSignal.any(signals) });
  const gate = new TransformStream({
    async transform(chunk, sink) {
      await flowing;
      sink.enqueue(chunk);
    },
    flush() {
      open.delete(cutThis);
    },
  });
  return new Response(answer.body?.pipeThrough(gate), answer);
};
