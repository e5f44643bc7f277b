// A user's app in Svelte: what came last, what is unread, and the banner.
import { NotificationConnectionManager } from "notify-sse";
import "notify-sse/notify-status";
import { mount, unmount } from "svelte";
import Notifications from "./Notifications.svelte";

const manager = new NotificationConnectionManager({
  user: "alice",
  getToken: async () => (await fetch("/test/token?sub=alice")).text(),
});
const component = mount(Notifications, { target: document.getElementById("app"), props: { manager } });
Object.assign(window, { manager, unmount: () => unmount(component) });
