// A user's app, as each bundler gets it: what came last, what is unread, and the banner.
import { NotificationConnectionManager } from "notify-sse";
import { createBadge } from "notify-sse/badge";
import "notify-sse/notify-status";
import { createNotificationStore } from "notify-sse/store";

/** @type {Window & { manager?: object, workerUrl?: string }} */
const page = window;
const manager = new NotificationConnectionManager({
  user: "alice",
  workerUrl: page.workerUrl,
  getToken: async () => (await fetch("/test/token?sub=alice")).text(),
});
const store = createNotificationStore(manager);
const badge = createBadge(manager);
store.subscribe(({ items }) => {
  document.getElementById("seen").textContent = items.map(({ payload }) => payload.n).join();
});
badge.subscribe((count) => {
  document.getElementById("unread").textContent = String(count);
});
document.querySelector("notify-status").manager = manager;
page.manager = manager.connect();
