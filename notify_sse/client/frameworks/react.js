// frameworks/ ties the store to React, Zustand and Redux. This is React: `<NotificationProvider manager={…}>` and
// `useNotificationSocket(selector)`. React's server components may import it, and render it in the browser:
"use client";

import { createContext, createElement, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { NotificationConnectionManager } from "../notify-sse.js";
import { MissingProviderError } from "../src/errors.js";
import { shallowEqual } from "../src/shallow.js";
import { actionsOf, follow } from "../src/socket.js";
import { createNotificationStore } from "../views/store.js";

/** @import { ReactElement, ReactNode } from "react" */
/** @import { ManagerOptions, NotificationConnectionManager as Manager } from "../notify-sse.js" */
/** @import { NotificationStore, NotificationView, StoreOptions } from "../views/store.js" */
/** @import { NotificationSocket } from "./react.js" */

/** @typedef {{ manager: Manager<any>, store: NotificationStore<any> }} Provided */

const Context = createContext(/** @type {Provided | null} */ (null));

/** Stands for "there is no selection yet": any value could be one. */
const NOTHING = Symbol("nothing");

/**
 * Gives one store, made of `manager`, to all components below, and keeps the manager connected while it is mounted.
 *
 * @param {{ manager: Manager<any>, options?: StoreOptions, children?: ReactNode }} props
 * @returns {ReactElement}
 */
export function NotificationProvider({ manager, options, children }) {
  // A component may be rendered without being mounted (StrictMode, renderings that are thrown away): the store listens
  // only while it is mounted. Its options are read once for each manager.
  // biome-ignore lint/correctness/useExhaustiveDependencies: new options must not replace the store, and what it holds
  const store = useMemo(() => createNotificationStore(manager, { ...options, idle: true }), [manager]);
  useEffect(() => follow(manager, store), [manager, store]);
  const value = useMemo(() => ({ manager, store }), [manager, store]);
  return createElement(Context.Provider, { value }, children);
}

/**
 * A manager, its store, a provider that keeps it connected while it is mounted, and a hook: all know the payloads of your types.
 */
export const createNotifications = /** @type {typeof import("./react.js").createNotifications} */ (
  (options, storeOptions) => {
    const manager = /** @type {Manager<any>} */ (new NotificationConnectionManager(options));
    const store = createNotificationStore(manager, { ...storeOptions, idle: true });
    const provided = { manager, store };

    /** @param {{ children?: ReactNode }} props */
    // biome-ignore lint/correctness/noComponentHookFactories: called once, by the module of a page
    function Provider({ children }) {
      useEffect(() => follow(manager, store), []);
      return createElement(Context.Provider, { value: provided }, children);
    }

    /** @type {<Selected>(selector?: (socket: any) => Selected, isEqual?: (a: Selected, b: Selected) => boolean) => Selected} */
    // biome-ignore lint/correctness/noComponentHookFactories: called once, by the module of a page
    function useNotifications(selector = everything, isEqual = shallowEqual) {
      return useSelected(provided, selector, isEqual);
    }

    return { manager, store, NotificationProvider: Provider, useNotifications };
  }
);

/**
 * What `selector` takes from the view, by default all of it. The component is rendered again only when that changes, as
 * `isEqual` sees it: by default, when another value or another field of it is there.
 *
 * @template Selected
 * @param {(socket: NotificationSocket) => Selected} [selector]
 * @param {(a: Selected, b: Selected) => boolean} [isEqual]
 * @returns {Selected}
 */
export function useNotificationSocket(selector = everything, isEqual = shallowEqual) {
  const provided = useContext(Context);
  if (!provided) throw new MissingProviderError();
  return useSelected(provided, selector, isEqual);
}

/**
 * `<notify-inbox>` as a component. Its manager is that of the provider above it, unless it is given one.
 *
 * @param {import("./react.js").NotificationInboxProps} props
 * @returns {ReactElement}
 */
export function NotificationInbox({ manager, texts, renderers, onChoose, ...attributes }) {
  const provided = useContext(Context);
  const element = useRef(/** @type {any} */ (null));
  const shown = manager ?? provided?.manager ?? null;
  useEffect(() => {
    import("../views/notify-inbox.js"); // where a server renders there are no elements
  }, []);
  useEffect(() => {
    Object.assign(element.current, { manager: shown });
  }, [shown]);
  useEffect(() => {
    Object.assign(element.current, { ...(texts && { texts }), ...(renderers && { renderers }) });
  }, [texts, renderers]);
  useEffect(() => {
    const { current } = element;
    const tell = (/** @type {CustomEvent} */ event) => onChoose?.(event.detail);
    current.addEventListener("choose", tell);
    return () => current.removeEventListener("choose", tell);
  }, [onChoose]);
  return createElement("notify-inbox", { ref: element, ...attributes });
}

/**
 * @template Selected
 * @param {Provided} provided
 * @param {(socket: NotificationSocket) => Selected} selector
 * @param {(a: Selected, b: Selected) => boolean} isEqual
 * @returns {Selected}
 */
function useSelected(provided, selector, isEqual) {
  const socketOf = useMemo(() => socketFor(provided), [provided]);
  const last = useRef(/** @type {Selected | typeof NOTHING} */ (NOTHING));

  function snapshot() {
    const selected = selector(socketOf(provided.store.getState()));
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
  const actions = actionsOf(manager, store);
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
