// `node listen.mjs <client>`: one of the clients of Node, as its own documentation shows it, at $URL with $TOKEN. Prints the number of each
// notification, and `end` when it says that it has given up.
const [client] = process.argv.slice(2);
const { URL: url, TOKEN: token } = process.env;
const inQuery = `${url}&access_token=${token}`;
const headers = { Authorization: `Bearer ${token}` };

const say = (line) => console.log(line);
const take = (data) => data && say(JSON.parse(data).payload.n);

/** One that is like a browser's EventSource. */
function follow(source) {
  source.addEventListener("message", ({ data }) => take(data));
  source.addEventListener("error", () => source.readyState === 2 && say("end"));
}

/** The browser's EventSource, for what wraps it. */
async function withEventSource() {
  globalThis.EventSource = (await import("eventsource")).EventSource;
}

async function reconnecting() {
  await withEventSource();
  const module = await import("reconnecting-eventsource");
  const Reconnecting = module.default?.default ?? module.default;
  return new Reconnecting(inQuery);
}

async function fetched(options) {
  // It is for pages: these are the parts of one that it looks at.
  const timers = { setTimeout, clearTimeout };
  globalThis.window = timers;
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  const { fetchEventSource } = await import("@microsoft/fetch-event-source");
  await fetchEventSource(url, { headers, fetch, ...options });
  say("end");
}

const CLIENTS = {
  async eventsource() {
    const { EventSource } = await import("eventsource");
    follow(
      new EventSource(url, {
        fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
      }),
    );
  },
  async "event-source-polyfill"() {
    const { EventSourcePolyfill } = await import("event-source-polyfill");
    follow(new EventSourcePolyfill(url, { headers }));
  },
  async "extended-eventsource"() {
    const { EventSource } = await import("extended-eventsource");
    follow(new EventSource(url, { headers }));
  },
  async "reconnecting-eventsource"() {
    follow(await reconnecting());
  },
  async "reconnecting-eventsource, `onmessage` alone"() {
    (await reconnecting()).onmessage = ({ data }) => take(data);
  },
  async "eventsource-client"() {
    const { createEventSource } = await import("eventsource-client");
    createEventSource({
      url,
      headers,
      onMessage: ({ event, data }) => (event ?? "message") === "message" && take(data),
    });
  },
  async "launchdarkly-eventsource"() {
    const { EventSource } = (await import("launchdarkly-eventsource")).default;
    follow(new EventSource(url, { headers, readTimeoutMillis: 60000 }));
  },
  "@microsoft/fetch-event-source": () =>
    fetched({
      onclose() {
        throw new Error("closed"); // its second example: else a clean end is the end
      },
      onmessage: ({ event, data }) => (!event || event === "message") && take(data),
    }),
  "@microsoft/fetch-event-source, its first example": () =>
    fetched({ onmessage: ({ event, data }) => (!event || event === "message") && take(data) }),
  async "event-source-plus"() {
    const { EventSourcePlus } = await import("event-source-plus");
    new EventSourcePlus(url, { headers }).listen({
      onMessage: ({ event, data }) => (!event || event === "message") && take(data),
    });
  },
  async "sse.js"() {
    globalThis.XMLHttpRequest = (await import("./xhr.mjs")).XMLHttpRequest; // it wraps the browser's
    const { SSE } = await import("sse.js");
    new SSE(url, { headers, autoReconnect: true }).addEventListener("message", ({ data }) => take(data));
  },
  async "@vueuse/core"() {
    await withEventSource();
    const { watch } = await import("vue");
    Object.assign(globalThis, { window: globalThis, document: new EventTarget() }); // else it takes itself for a server's
    const { useEventSource } = await import("@vueuse/core");
    const { data } = useEventSource(inQuery, ["message"], { autoReconnect: true });
    watch(data, (text) => take(text), { flush: "sync" });
  },
};

await CLIENTS[client]();
