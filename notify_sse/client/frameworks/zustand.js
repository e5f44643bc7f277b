// Zustand: a store that follows a manager.
import { createStore } from "zustand/vanilla";
import { actionsOf } from "../src/socket.js";
import { createNotificationStore } from "../views/store.js";

/** @import { StoreApi } from "zustand/vanilla" */
/** @import { NotificationConnectionManager } from "../notify-sse.js" */
/** @import { StoreOptions } from "../views/store.js" */
/** @import { NotificationSlice } from "./zustand.js" */

/**
 * A vanilla Zustand store: the state of views/store.js and its actions. In React: `useStore(store, selector)`.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {StoreOptions} [options]
 * @returns {StoreApi<NotificationSlice>}
 */
export function createZustandStore(manager, options) {
  const source = createNotificationStore(manager, options);
  const { getState, subscribe, destroy } = source;
  return createStore((set) => {
    subscribe((state) => set(state));
    const { manager: _, ...actions } = actionsOf(manager, source);
    return { ...getState(), ...actions, destroy };
  });
}
