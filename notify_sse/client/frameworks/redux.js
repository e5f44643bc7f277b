// Redux: a reducer, and a middleware that dispatches one action for each burst. Works with plain Redux and with Redux Toolkit,
// and imports neither.
import { Marks } from "../src/marks.js";
import { readStateOf } from "../src/read-state.js";
import { bursts } from "../views/bursts.js";
import { EMPTY, merged, received, wants } from "../views/store.js";

/** @import { Notification, NotificationConnectionManager, ReadMark } from "../notify-sse.js" */
/** @import { BurstOptions, NotificationView } from "../views/store.js" */
/** @import { NotificationsReducer } from "./redux.js" */

const RECEIVED = "notifications/received";
const CONNECTION_CHANGED = "notifications/connectionChanged";
const RESET = "notifications/reset";
const MARKED = "notifications/marked";
const RECALLED = "notifications/recalled";
const COUNTED = "notifications/counted";
const MARK_READ = "notifications/markRead";
const MARK_ALL_READ = "notifications/markAllRead";
const CLEAR = "notifications/clear";
const CONNECT = "notifications/connect";
const DISCONNECT = "notifications/disconnect";
const RETRY_NOW = "notifications/retryNow";
const SIGN_OUT = "notifications/signOut";
const SWITCH_USER = "notifications/switchUser";
const SIGNED_OUT = "notifications/signedOut";

/** @type {typeof import("./redux.js").notificationActions} */
export const notificationActions = {
  received: (items) => ({ type: RECEIVED, payload: items }),
  connectionChanged: (connection) => ({ type: CONNECTION_CHANGED, payload: connection }),
  reset: (reset) => ({ type: RESET, payload: reset }),
  marked: (mark) => ({ type: MARKED, payload: mark }),
  recalled: (id) => ({ type: RECALLED, payload: id }),
  counted: (unread) => ({ type: COUNTED, payload: unread }),
  markRead: (ids) => ({ type: MARK_READ, payload: ids }),
  markAllRead: () => ({ type: MARK_ALL_READ }),
  clear: () => ({ type: CLEAR }),
  connect: () => ({ type: CONNECT }),
  disconnect: () => ({ type: DISCONNECT }),
  retryNow: () => ({ type: RETRY_NOW }),
  signOut: () => ({ type: SIGN_OUT }),
  switchUser: (who) => ({ type: SWITCH_USER, payload: who }),
  signedOut: () => ({ type: SIGNED_OUT }),
};

/**
 * A reducer that keeps the newest `keep` items.
 *
 * @param {{ keep?: number }} [options]
 * @returns {NotificationsReducer}
 */
export function createNotificationsReducer({ keep = 200 } = {}) {
  return (state = EMPTY, { type, payload }) => {
    switch (type) {
      case RECEIVED:
        return { ...state, ...received(state, payload, keep) };
      case CONNECTION_CHANGED:
        return { ...state, connection: payload };
      case RESET:
        return { ...state, resets: state.resets + 1, items: merged(state.items, payload.items ?? [], keep) };
      case MARKED:
        return { ...state, items: marked(state.items, payload) };
      case RECALLED:
        return { ...state, items: state.items.filter(({ notification_id: id }) => id !== payload) };
      case COUNTED:
        return payload === null ? { ...state, countedBy: "page" } : { ...state, countedBy: "service", unread: payload };
      case MARK_READ:
        return readHere(state, payload);
      case MARK_ALL_READ:
        return {
          ...state,
          unread: 0,
          items: marked(state.items, { upto: state.items[0]?.cursor ?? null, ids: null, read: true }),
        };
      case SIGNED_OUT:
        return { ...EMPTY, connection: state.connection && { ...state.connection, recipient: null } };
      case CLEAR:
        return { ...state, items: EMPTY.items, last: null, unread: 0 };
      default:
        return state;
    }
  };
}

/**
 * @param {readonly Notification[]} items
 * @param {Pick<ReadMark, "upto" | "ids" | "read">} mark
 */
function marked(items, mark) {
  const marks = new Marks();
  marks.add(mark);
  return marks.applied(items);
}

/**
 * @param {NotificationView} state
 * @param {readonly string[]} ids
 * @returns {NotificationView}
 */
function readHere(state, ids) {
  const turned = state.items.filter((item) => ids.includes(item.notification_id) && !item.read && !item.silent).length;
  const items = marked(state.items, { upto: null, ids, read: true });
  return { ...state, items, unread: state.countedBy === "page" ? Math.max(0, state.unread - turned) : state.unread };
}

export const notificationsReducer = createNotificationsReducer();

/**
 * Turns what `manager` says into actions, and the actions `markRead`, `markAllRead`, `connect`, `disconnect`, `retryNow`, `signOut`,
 * `switchUser` into calls.
 * The last one goes no further: it carries a function, which is not for a reducer.
 *
 * @param {NotificationConnectionManager<any>} manager
 * @param {BurstOptions} [options]
 */
export function notificationMiddleware(manager, { throttle, types, nextFrame } = {}) {
  const isWanted = wants(types);

  /** @param {{ dispatch: (action: any) => any }} api */
  function follow({ dispatch }) {
    const marks = new Marks();
    const burst = bursts(
      (/** @type {Notification[]} */ items) => dispatch(notificationActions.received(marks.applied(items))),
      { throttle, nextFrame },
    );
    const readState = readStateOf(manager);
    if (!types) readState.subscribe(() => dispatch(notificationActions.counted(readState.unread)));
    manager.onRead?.((mark) => {
      marks.add(mark);
      dispatch(notificationActions.marked(mark));
    });
    manager.onRecalled?.(({ notification_id: id }) => {
      marks.recall(id);
      dispatch(notificationActions.recalled(id));
    });
    manager.onAll((item) => {
      if (isWanted(item)) burst.add(item, item.notification_type);
    });
    manager.onState((connection) => dispatch(notificationActions.connectionChanged(connection)));
    manager.onReset((reset) => {
      const items = reset.items?.filter(isWanted) ?? null;
      dispatch(notificationActions.reset({ ...reset, items }));
    });
    manager.onSignOut(() => {
      burst.stop(); // what waits is the last user's
      marks.clear();
      dispatch(notificationActions.signedOut());
    });
  }

  /** @param {{ type: string, payload?: any }} action */
  function steer({ type, payload }) {
    if (type === SIGN_OUT) manager.signOut();
    if (type === SWITCH_USER) manager.switchUser(payload);
    if (type === MARK_READ) manager.markRead?.([...payload]).catch(() => {});
    if (type === MARK_ALL_READ && manager.cursor) manager.markRead?.(manager.cursor).catch(() => {});
    if (type === CONNECT) manager.connect();
    if (type === DISCONNECT) manager.close();
    if (type === RETRY_NOW) manager.retryNow();
  }

  return (/** @type {{ dispatch: (action: any) => any }} */ api) => {
    follow(api);
    return (/** @type {(action: any) => any} */ next) => (/** @type {any} */ action) => {
      steer(action);
      return action.type === SWITCH_USER ? action : next(action);
    };
  };
}
