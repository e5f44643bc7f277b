// Redux: a reducer, and a middleware that dispatches one action for each burst. Works with plain Redux and with Redux
// Toolkit; imports neither.
import { bursts } from "./bursts.js";
import { EMPTY, merged, received } from "./store.js";

const KEEP = 200;
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
  [type("received")]: (state, items) => ({ ...state, ...received(state, items, KEEP) }),
  [type("connectionChanged")]: (state, connection) => ({ ...state, connection }),
  [type("reset")]: (state, { items }) => ({
    ...state, resets: state.resets + 1, items: merged(state.items, items ?? [], KEEP),
  }),
  [type("markAllRead")]: (state) => (state.unread ? { ...state, unread: 0 } : state),
  [type("clear")]: (state) => ({ ...state, items: EMPTY.items, last: null, unread: 0 }),
};

export function notificationsReducer(state = EMPTY, action) {
  return CASES[action.type]?.(state, action.payload) ?? state;
}

/** Turns what `manager` says into actions, and the actions `connect`, `disconnect`, `retryNow` into calls. */
export function notificationMiddleware(manager, { throttle, types, nextFrame } = {}) {
  const calls = {
    [type("connect")]: () => manager.connect(),
    [type("disconnect")]: () => manager.close(),
    [type("retryNow")]: () => manager.retryNow(),
  };
  return ({ dispatch }) => {
    const burst = bursts((items) => dispatch(notificationActions.received(items)), { throttle, nextFrame });
    manager.onAll((item) => {
      if (!types || types.includes(item.notification_type)) burst.add(item, item.notification_type);
    });
    manager.onState((connection) => dispatch(notificationActions.connectionChanged(connection)));
    manager.onReset((reset) => dispatch(notificationActions.reset(reset)));
    return (next) => (action) => {
      calls[action.type]?.();
      return next(action);
    };
  };
}
