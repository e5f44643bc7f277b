// frameworks/ ties the store to React, Zustand and Redux. This is React: `<NotificationProvider manager={…}>` and
// `useNotificationSocket(selector)`. React's server components may import it, and render it in the browser:
"use client";

import { createContext, createElement, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { MissingProviderError } from "../src/errors.js";
import { createNotificationStore } from "../views/store.js";

/** @import { ReactElement, ReactNode } from "react" */
/** @import { NewUser, NotificationConnectionManager } from "../notify-sse.js" */
/** @import { NotificationStore, NotificationView, StoreOptions } from "../views/store.js" */
/** @import { NotificationSocket } from "./react.js" */

/** @typedef {{ manager: NotificationConnectionManager<any>, store: NotificationStore }} Provided */

const Context = createContext(/** @type {Provided | null} */ (null));

/** Stands for "there is no selection yet": any value could be one. */
const NOTHING = Symbol("nothing");

/**
 * Gives one store, made of `manager`, to all components below, and keeps the manager connected while it is mounted.
 *
 * @param {{ manager: NotificationConnectionManager<any>, options?: StoreOptions, children?: ReactNode }} props
 * @returns {ReactElement}
 */
export function NotificationProvider({ manager, options, children }) {
  // A component may be rendered without being mounted (StrictMode, renderings that are thrown away): the store listens
  // only while it is mounted. Its options are read once for each manager.
  // biome-ignore lint/correctness/useExhaustiveDependencies: new options must not replace the store, and what it holds
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
 * What `selector` takes from the view, by default all of it. The component is rendered again only when that changes, as
 * `isEqual` sees it.
 *
 * @template Selected
 * @param {(socket: NotificationSocket) => Selected} [selector]
 * @param {(a: Selected, b: Selected) => boolean} [isEqual]
 * @returns {Selected}
 */
export function useNotificationSocket(selector = everything, isEqual = Object.is) {
  const provided = useContext(Context);
  if (!provided) throw new MissingProviderError();
  const socketOf = useMemo(() => socketFor(provided), [provided]);
  const last = useRef(/** @type {Selected | typeof NOTHING} */ (NOTHING));

  function snapshot() {
    const selected = selector(socketOf(/** @type {Provided} */ (provided).store.getState()));
    if (last.current === NOTHING || !isEqual(last.current, selected)) last.current = selected;
    return last.current;
  }

  return useSyncExternalStore(provided.store.subscribe, snapshot, snapshot);
}

/** @type {(socket: any) => any} */
function everything(socket) {
  return socket;
}

/**
 * Makes the state and what can be done into one object: one for each state, so that it compares equal to itself.
 *
 * @param {Provided} provided
 */
function socketFor({ manager, store }) {
  const actions = {
    manager,
    markAllRead: store.markAllRead,
    loadOlder: store.loadOlder,
    clear: store.clear,
    retryNow: () => manager.retryNow(),
    signOut: () => manager.signOut(),
    switchUser: (/** @type {NewUser} */ who) => void manager.switchUser(who),
  };
  /** @type {NotificationView | undefined} */
  let seen;
  /** @type {NotificationSocket | undefined} */
  let socket;

  /**
   * @param {NotificationView} state
   * @returns {NotificationSocket}
   */
  function socketOf(state) {
    if (!socket || seen !== state) {
      seen = state;
      socket = { ...state, ...actions };
    }
    return socket;
  }

  return socketOf;
}
