// Breaks this page's own connections on purpose, as networks do: the client gets no hint that it was us.
const open = new Set(); // what cuts each open connection
let flowing = Promise.resolve();
let release = null;

const NativeEventSource = globalThis.EventSource;
const NativeWebSocket = globalThis.WebSocket;
const nativeFetch = globalThis.fetch;

/** How many connections this page has. */
export const connections = () => open.size;

/** Resets every connection. */
export function cut() {
  const cuts = [...open];
  open.clear();
  cuts.forEach((act) => act());
}

export const isStalled = () => release !== null;

/** From now on nothing arrives, and nothing is closed: like a network that swallows packets. */
export function stall() {
  flowing = new Promise((resolve) => (release = resolve));
}

export function flow() {
  release?.();
  release = null;
}

/** New connections work again even while an old one is stalled: what was swallowed there stays swallowed. */
const swallowed = () => {
  const born = flowing;
  const wasStalled = isStalled();
  return () => isStalled() && !(wasStalled && born === flowing);
};

globalThis.EventSource = class extends NativeEventSource {
  #swallows = swallowed();

  constructor(...given) {
    super(...given);
    const act = () => this.onerror?.(new Event("error")); // as after a network error; the client closes it then
    open.add(act);
    const { close } = this;
    this.close = () => (open.delete(act), close.call(this));
  }

  addEventListener(type, listener) {
    super.addEventListener(type, (event) => this.#swallows() || listener(event));
  }
};

globalThis.WebSocket = class extends NativeWebSocket {
  #swallows = swallowed();

  constructor(...given) {
    super(...given);
    const act = () => this.close();
    open.add(act);
    this.addEventListener("close", () => open.delete(act));
  }

  set onmessage(listener) {
    super.onmessage = (event) => this.#swallows() || listener(event);
  }
};

globalThis.fetch = async (input, init = {}) => {
  const url = String(input?.url ?? input);
  if (!/\/stream\?|\/stream$|[?&]wait=/.test(url)) return nativeFetch(input, init);
  const breaker = new AbortController();
  const act = () => breaker.abort();
  open.add(act);
  const answer = await nativeFetch(input, {
    ...init,
    signal: AbortSignal.any([breaker.signal, init.signal].filter(Boolean)),
  });
  const gate = new TransformStream({
    async transform(chunk, sink) {
      await flowing;
      sink.enqueue(chunk);
    },
    flush: () => void open.delete(act),
  });
  return new Response(answer.body.pipeThrough(gate), answer);
};
