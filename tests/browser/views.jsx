// The page of the view tests, bundled with the real React, Zustand and Redux Toolkit: one manager, and a list, a badge
// and a banner in each of them, with their renderings counted.
import { configureStore } from "@reduxjs/toolkit";
import { NotificationConnectionManager } from "notify-sse";
import { NotificationInbox, NotificationProvider, useNotificationSocket } from "notify-sse/react";
import { notificationMiddleware, notificationsReducer } from "notify-sse/redux";
import { createZustandStore } from "notify-sse/zustand";
import { createElement as h, StrictMode, useRef } from "react";
import { createRoot } from "react-dom/client";
import { useStore } from "zustand";

const options = JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}");
const renders = {};
Object.assign(window, { renders, seen: [], states: [], errors: [], tokens: [], actions: 0 });
window.addEventListener("error", (event) => window.errors.push(event.message));

const manager = (window.manager = new NotificationConnectionManager({
  getToken: async () => (await fetch("/test/token?sub=alice")).text(),
  ...options.manager,
}));
// How many listeners there are.
window.listening = 0;
manager.on = (...given) => {
  const end = NotificationConnectionManager.prototype.on.apply(manager, given);
  window.listening++;
  return () => (window.listening--, end());
};
manager.onAll(({ payload }) => window.seen.push(payload.n));
window.connected = () => manager.state.status === "connected";

function Counted({ name, children }) {
  renders[name] = (renders[name] ?? 0) + 1;
  return h("p", { id: name }, children);
}

function Unread() {
  return h(
    Counted,
    { name: "unread" },
    useNotificationSocket((socket) => socket.unread),
  );
}

function Status() {
  return h(
    Counted,
    { name: "state" },
    useNotificationSocket((socket) => socket.connection.status),
  );
}

function List() {
  const { items, last, markAllRead } = useNotificationSocket();
  const count = useRef(0);
  renders.list = count.current += 1;
  return h(
    "section",
    null,
    h("button", { id: "read", onClick: markAllRead }, "Mark all read"),
    h("p", { id: "last" }, last?.payload.n ?? ""),
    h(
      "ul",
      { id: "list" },
      items.map((item) => h("li", { key: item.notification_id }, item.payload.n)),
    ),
  );
}

const zustand = (window.zustand = createZustandStore(manager));
function ZustandUnread() {
  return h(
    Counted,
    { name: "zustand" },
    useStore(zustand, (state) => state.unread),
  );
}

const redux = (window.redux = configureStore({
  reducer: notificationsReducer,
  middleware: (defaults) =>
    defaults({ serializableCheck: false, immutableCheck: false }).concat(notificationMiddleware(manager)),
}));
redux.subscribe(() => window.actions++);

/** A page of React with the inbox in it, whose words the page sets anew with each rendering. */
function Inbox() {
  const unread = useNotificationSocket((socket) => socket.unread);
  const onChoose = ({ payload }) => window.chosen.push(payload.n);
  const renderers = { message_of_test: ({ payload }) => `number ${payload.n}` };
  return h(NotificationInbox, { onChoose, renderers, texts: { title: `Inbox of ${unread}` }, lang: "en" });
}
window.chosen = [];

const views = options.inbox ? [h(Inbox)] : [h(Unread), h(Status), h(List), h(ZustandUnread)];
const app = h(NotificationProvider, { manager, options }, ...views);
const root = createRoot(document.getElementById("root"));
window.listenedBefore = window.listening;
root.render(options.strict ? h(StrictMode, null, app) : app);
window.unmount = () => root.unmount();

/** Comes back from an outage; done when every view shows `count`. */
window.comeBack = async (count) => {
  manager.retryNow();
  const shows = () => [
    zustand.getState().unread,
    redux.getState().unread,
    +document.getElementById("unread").textContent,
  ];
  while (!shows().every((unread) => unread === count)) await new Promise((resolve) => setTimeout(resolve, 50));
};

/** For comparison: the same replay to the browser's own EventSource, with a listener that does nothing. */
window.countNatively = async (count) => {
  const token = await (await fetch("/test/token?sub=alice")).text();
  const epoch = manager.cursor.split(".")[0];
  const source = new EventSource(`/notifications/stream?access_token=${token}&last_event_id=${epoch}.0`);
  let counted = 0;
  source.onmessage = () => counted++;
  while (counted < count) await new Promise((resolve) => setTimeout(resolve, 50));
  source.close();
};
