// What frameworks hand to components: the view and what can be done, in one object.

/** @import { NewUser, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { NotificationStore } from "../views/store.js" */

/**
 * What can be done. The functions are the same ones each time.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {NotificationStore<any>} store
 */
export function actionsOf(manager, store) {
  return {
    manager,
    markRead: store.markRead,
    markAllRead: store.markAllRead,
    loadOlder: store.loadOlder,
    clear: store.clear,
    retryNow: () => manager.retryNow(),
    signOut: () => manager.signOut(),
    switchUser: (/** @type {NewUser | undefined} */ who) => void manager.switchUser(who),
  };
}

/**
 * Follows and connects. Returns what ends that.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {NotificationStore<any>} store
 */
export function follow(manager, store) {
  const stop = store.listen();
  manager.connect();
  return () => {
    stop();
    manager.close();
  };
}
