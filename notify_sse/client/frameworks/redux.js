// Redux: a reducer, and a middleware that dispatches one action for each burst. Works with plain Redux and with Redux
// Toolkit; imports neither.
import { bursts } from "../views/bursts.js";
import { EMPTY, merged, received, wants } from "../views/store.js";

const type = (name) => `notifications/${name}`;

export const notificationActions = {
  received: (items) => ({ type: type("received"), payload: items }),
  connectionChanged: (connection) => ({ type: type("connectionChanged"), payload: connection }),
  reset: (reset) => ({ type: type("reset"), payload: reset }),
  markAllRead: () => ({ type: type("markAllRead") }),
  clear: () => ({ type: type("clear") }),
  connect: () => ({ type: type("connect") }),
  disconnect: () => ({ type: type("disconnect") }),
  retryNow: () => ({ type: type("retryNow") }),
};

const CASES = {
  [type("received")]: (state, items, keep) => ({ ...state, ...received(state, items, keep) }),
  [type("connectionChanged")]: (state, connection) => ({ ...state, connection }),
  [type("reset")]: (state, { items }, keep) => ({
    ...state,
    resets: state.resets + 1,
    items: merged(state.items, items ?? [], keep),
  }),
  [type("markAllRead")]: (state) => (state.unread ? { ...state, unread: 0 } : state),
  [type("clear")]: (state) => ({ ...state, items: EMPTY.items, last: null, unread: 0 }),
};

/** A reducer that keeps the newest `keep` items. */
export const createNotificationsReducer =
  ({ keep = 200 } = {}) =>
  (state = EMPTY, action) =>
    CASES[action.type]?.(state, action.payload, keep) ?? state;

export const notificationsReducer = createNotificationsReducer();

/** Turns what `manager` says into actions, and the actions `connect`, `disconnect`, `retryNow` into calls. */
export function notificationMiddleware(manager, { throttle, types, nextFrame } = {}) {
  const calls = {
    [type("connect")]: () => manager.connect(),
    [type("disconnect")]: () => manager.close(),
    [type("retryNow")]: () => manager.retryNow(),
  };
  const wanted = wants(types);
  return ({ dispatch }) => {
    const burst = bursts((items) => dispatch(notificationActions.received(items)), { throttle, nextFrame });
    manager.onAll((item) => wanted(item) && burst.add(item, item.notification_type));
    manager.onState((connection) => dispatch(notificationActions.connectionChanged(connection)));
    manager.onReset(({ items, ...reset }) =>
      dispatch(notificationActions.reset({ ...reset, items: items?.filter(wanted) ?? null })),
    );
    return (next) => (action) => {
      calls[action.type]?.();
      return next(action);
    };
  };
}
