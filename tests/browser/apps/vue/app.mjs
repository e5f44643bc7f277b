// A user's app in Vue: what came last, what is unread, and the banner.
import { NotificationConnectionManager } from "notify-sse";
import "notify-sse/notify-status";
import { notificationsPlugin } from "notify-sse/vue";
import { createApp } from "vue";
import Notifications from "./Notifications.vue";

const manager = new NotificationConnectionManager({
  user: "alice",
  getToken: async () => (await fetch("/test/token?sub=alice")).text(),
});
const app = createApp(Notifications, { manager }).use(notificationsPlugin(manager));
app.mount("#app");
Object.assign(window, { manager, unmount: () => app.unmount() });
