// Svelte: a store by its contract (`$notifications`), which connects while somebody is subscribed to it. It imports nothing of Svelte.
import { NotificationConnectionManager } from "../notify-sse.js";
import { actionsOf, follow } from "../src/socket.js";
import { createNotificationStore } from "../views/store.js";

/** @import { ManagerOptions, NotificationConnectionManager as Manager } from "../notify-sse.js" */
/** @import { NotificationView, StoreOptions } from "../views/store.js" */

/**
 * `const notifications = notificationStore(manager)`, then `$notifications.unread` and `notifications.markAllRead()`.
 */
export const notificationStore = /** @type {typeof import("./svelte.js").notificationStore} */ (
  (manager, options) => {
    const store = createNotificationStore(manager, { ...options, idle: true });
    let subscribers = 0;
    /** @type {() => void} */
    let stop = () => {};

    /** @param {(view: NotificationView<any>) => void} run */
    function subscribe(run) {
      subscribers += 1;
      if (subscribers === 1) stop = follow(manager, store);
      const unsubscribe = store.subscribe(run);
      run(store.getState());
      let isOver = false;
      return () => {
        if (isOver) return;
        isOver = true;
        unsubscribe();
        subscribers -= 1;
        if (!subscribers) stop();
      };
    }

    return { subscribe, ...actionsOf(manager, store) };
  }
);

/**
 * A manager and its store, which know the payloads of your types.
 */
export const createNotifications = /** @type {typeof import("./svelte.js").createNotifications} */ (
  (options, storeOptions) => {
    const manager = /** @type {Manager<any>} */ (new NotificationConnectionManager(options));
    return { manager, notifications: notificationStore(manager, storeOptions) };
  }
);
