// Zustand: a store that follows a manager.
import { createStore } from "zustand/vanilla";
import { createNotificationStore } from "../views/store.js";

/** A vanilla Zustand store: the state of store.js and its actions. In React: `useStore(store, selector)`. */
export function createZustandStore(manager, options) {
  const source = createNotificationStore(manager, options);
  const { getState, subscribe, markAllRead, clear, loadOlder, destroy } = source;
  return createStore((set) => {
    subscribe((state) => set(state));
    return { ...getState(), markAllRead, clear, loadOlder, destroy, retryNow: () => manager.retryNow() };
  });
}
