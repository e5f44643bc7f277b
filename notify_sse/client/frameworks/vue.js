// Vue: a plugin that keeps a manager connected while the app is mounted, and `useNotificationSocket()` for its components.
import { computed, inject, onScopeDispose, shallowRef } from "vue";
import { NotificationConnectionManager } from "../notify-sse.js";
import { MissingProviderError } from "../src/errors.js";
import { actionsOf, follow } from "../src/socket.js";
import { createNotificationStore } from "../views/store.js";

/** @import { App } from "vue" */
/** @import { ManagerOptions, NotificationConnectionManager as Manager } from "../notify-sse.js" */
/** @import { NotificationStore, NotificationView, StoreOptions } from "../views/store.js" */

const KEY = Symbol("notify-sse");

/**
 * `app.use(notificationsPlugin(manager))`
 */
export const notificationsPlugin = /** @type {typeof import("./vue.js").notificationsPlugin} */ (
  (manager, options) => {
    return pluginOf(manager, createNotificationStore(manager, { ...options, idle: true }));
  }
);

/**
 * A manager, its store, a plugin and a composable: all know the payloads of your types.
 */
export const createNotifications = /** @type {typeof import("./vue.js").createNotifications} */ (
  (options, storeOptions) => {
    const manager = /** @type {Manager<any>} */ (new NotificationConnectionManager(options));
    const store = createNotificationStore(manager, { ...storeOptions, idle: true });
    return { manager, store, plugin: pluginOf(manager, store), useNotifications: () => socketOf({ manager, store }) };
  }
);

/** The view as refs, and what can be done. */
export const useNotificationSocket = /** @type {typeof import("./vue.js").useNotificationSocket} */ (
  () => {
    const provided = inject(KEY, /** @type {Provided | null} */ (null));
    if (!provided)
      throw new MissingProviderError("useNotificationSocket() needs app.use(notificationsPlugin(manager))");
    return socketOf(provided);
  }
);

/** @typedef {{ manager: Manager<any>, store: NotificationStore<any> }} Provided */

/**
 * @param {Manager<any>} manager
 * @param {NotificationStore<any>} store
 */
function pluginOf(manager, store) {
  return {
    /** @param {App} app */
    install(app) {
      app.provide(KEY, { manager, store });
      const isBrowser = typeof document !== "undefined"; // where a server renders, nothing is connected
      if (isBrowser) app.onUnmount(follow(manager, store));
    },
  };
}

/** @param {Provided} provided */
function socketOf({ manager, store }) {
  const view = shallowRef(store.getState());
  onScopeDispose(
    store.subscribe((state) => {
      view.value = state;
    }),
  );
  const field = (/** @type {keyof NotificationView} */ name) => computed(() => /** @type {any} */ (view.value[name]));
  return {
    view,
    items: field("items"),
    unread: field("unread"),
    last: field("last"),
    connection: field("connection"),
    ...actionsOf(manager, store),
  };
}
