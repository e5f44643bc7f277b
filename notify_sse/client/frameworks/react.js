// React: `<NotificationProvider manager={…}>` and `useNotificationSocket(selector)`.
import { createContext, createElement, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { createNotificationStore } from "../views/store.js";

const Context = createContext(null);

/** Gives one store, made of `manager`, to all below, and keeps the manager connected while it is mounted. */
export function NotificationProvider({ manager, options, children }) {
  // Rendered is more than mounted (StrictMode, what is thrown away): a store listens only while it is mounted.
  const store = useMemo(() => createNotificationStore(manager, { ...options, idle: true }), [manager]);
  useEffect(() => {
    const stop = store.listen();
    manager.connect();
    return () => {
      stop();
      manager.close();
    };
  }, [manager, store]);
  const value = useMemo(() => ({ manager, store }), [manager, store]);
  return createElement(Context.Provider, { value }, children);
}

/**
 * What `selector` takes from the view, by default all of it. The component is rendered again only when that changes,
 * by `isEqual`.
 */
export function useNotificationSocket(selector = everything, isEqual = Object.is) {
  const context = useContext(Context);
  if (!context) throw new Error("useNotificationSocket() needs a <NotificationProvider> above it");
  const select = useMemo(() => view(context), [context]);
  const last = useRef(NOTHING);
  const snapshot = () => {
    const chosen = selector(select(context.store.getState()));
    const isSame = last.current !== NOTHING && isEqual(last.current, chosen);
    return isSame ? last.current : (last.current = chosen);
  };
  return useSyncExternalStore(context.store.subscribe, snapshot, snapshot);
}

const NOTHING = Symbol("nothing");
const everything = (state) => state;

/** The state and what can be done, one object for each state, so that it compares equal to itself. */
function view({ manager, store }) {
  const actions = {
    manager,
    markAllRead: store.markAllRead,
    loadOlder: store.loadOlder,
    clear: store.clear,
    retryNow: () => manager.retryNow(),
  };
  let seen;
  let made;
  return (state) => (seen === state ? made : ((seen = state), (made = { ...state, ...actions })));
}
