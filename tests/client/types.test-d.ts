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
