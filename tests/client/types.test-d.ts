// Checked by tsc, never run: how users write it must be accepted, and mistakes must not.
import { configureStore } from "@reduxjs/toolkit";
import { type ConnectionState, type Notification, NotificationConnectionManager } from "notify-sse";
import { createBadge } from "notify-sse/badge";
import type { NotifyStatus } from "notify-sse/notify-status";
import { NotificationProvider, useNotificationSocket } from "notify-sse/react";
import {
  createNotificationsReducer,
  notificationActions,
  notificationMiddleware,
  notificationsReducer,
} from "notify-sse/redux";
import { createNotificationStore } from "notify-sse/store";
import { createZustandStore } from "notify-sse/zustand";
import { applyMiddleware, combineReducers, createStore as createReduxStore } from "redux";

interface Types {
  new_message: { from: string; text: string };
  system_alert: { severity: "info" | "critical" };
}

const manager = new NotificationConnectionManager<Types>({
  url: "/notifications",
  getToken: async ({ reason }) => (reason === "unauthorized" ? null : "token"),
  transport: "auto",
  share: "leader",
});

const stop: () => void = manager.on("new_message", ({ payload, cursor }) => {
  const text: string = payload.text;
  const at: string = cursor;
  console.log(text, at);
});
stop();
manager.on("*", (notification: Notification) => console.log(notification.notification_id));
manager.onState(({ status, retryAt }: ConnectionState) => status === "reconnecting" && retryAt! - Date.now());
manager.onReset(({ reason, items }) => reason === "expired" && items?.length);
// @ts-expect-error: not a type of this page
manager.on("new_mesage", () => {});
// @ts-expect-error: not a field of its payload
manager.on("new_message", ({ payload }) => payload.severity);
// @ts-expect-error: its text is no number
manager.on("new_message", ({ payload }) => payload.text.toFixed());
// @ts-expect-error: not one of the severities
manager.on("system_alert", ({ payload }) => payload.severity === "urgent");
// @ts-expect-error: not a transport
new NotificationConnectionManager({ transport: "carrier-pigeon" });
// @ts-expect-error: state is the manager's
manager.state = null;

const untyped = new NotificationConnectionManager();
untyped.on("anything", ({ payload }) => payload.whatever);
const page = await untyped.history({ limit: 20 });
const older: Notification[] | undefined = (await page.next())?.items;

const badge = createBadge(manager, { everyMs: 5000 });
badge.subscribe((count: number, text: string) => console.log(count, text, older));

const store = createNotificationStore(manager, { throttle: { account_update: 5000 } });
const unread: number = store.getState().unread;
const stopListening: () => void = createNotificationStore(manager, { idle: true }).listen();
stopListening();

function Component() {
  const count: number = useNotificationSocket((socket) => socket.unread);
  const { items, retryNow } = useNotificationSocket();
  retryNow();
  return NotificationProvider({ manager, children: `${count} of ${items.length}` });
}

const zustand = createZustandStore(manager);
zustand.getState().markAllRead();

const toolkit = configureStore({
  reducer: { notifications: notificationsReducer },
  middleware: (getDefault) => getDefault().concat(notificationMiddleware(manager)),
});
const seen: number = toolkit.getState().notifications.unread;
const plain = createReduxStore(
  combineReducers({ notifications: createNotificationsReducer({ keep: 50 }) }),
  applyMiddleware(notificationMiddleware(manager)),
);
plain.dispatch(notificationActions.markAllRead());

const banner: NotifyStatus = document.createElement("notify-status");
banner.manager = manager;
banner.texts = { retry: "Erneut versuchen" };
console.log(unread, seen, Component);

import { createNotifications } from "notify-sse/react";
import { notificationStore } from "notify-sse/svelte";
// Types end to end: the hook, the store and `"*"` know the payload of each type.
import { createFakeManager } from "notify-sse/testing";
import { createNotifications as createForVue } from "notify-sse/vue";

const typed = createNotifications<Types>({ user: "alice", initial: 20 }, { keep: 50 });
const severities: string[] = typed.store
  .getState()
  .items.flatMap((item) => (item.notification_type === "system_alert" ? [item.payload.severity] : []));
const last: { payload: Types["new_message"] } | { payload: Types["system_alert"] } | null = typed.store.getState().last;
function Typed() {
  const items = typed.useNotifications((socket) => socket.items);
  // @ts-expect-error: not one of the types
  return items[0].notification_type === "new_mesage";
}
manager.on("*", (item) => item.notification_type === "new_message" && item.payload.from);
// @ts-expect-error: not a field of every payload
manager.on("*", (item) => item.payload.from);
// @ts-expect-error: not an option
createNotifications<Types>({ usr: "alice" });
// @ts-expect-error: not a field of every payload
typed.store.getState().last?.payload.severity;
const refs = createForVue<Types>().useNotifications();
const first: "new_message" | "system_alert" | undefined = refs.items.value[0]?.notification_type;
const stopSvelte: () => void = notificationStore(manager).subscribe(({ unread: count }) => console.log(count));
const fake = createFakeManager<Types>({ stored: [{ notification_type: "new_message" }] });
fake.receive({ payload: { from: "a", text: "b" } });
// @ts-expect-error: no payload of any type
fake.receive({ payload: { from: 1 } });
const asManager: NotificationConnectionManager<Types> = fake;
const left: Promise<number | null> = asManager.markRead(["id"]);
const aborted: Promise<unknown> = asManager.history({ signal: new AbortController().signal });
manager.onError(({ code, status, detail, cause }) => console.log(code, status, detail, cause));
console.log(severities, last, first, stopSvelte, left, aborted, Typed);
