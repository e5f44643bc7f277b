// The state of a manager that was not started.

/** @import * as api from "../notify-sse.js" */

/** @type {api.ConnectionState} */
export const IDLE = {
  status: "idle",
  reason: null,
  message: "",
  transport: null,
  attempt: 0,
  retryAt: null,
  shared: null,
  recipient: null,
  error: null,
  connectionId: null,
  unread: null,
  unreadUpto: null,
};
