// `debug: true`: what happens, in the console. Never a token, never a payload.

/** @import { NotificationConnectionManager } from "../notify-sse.js" */

/**
 * @param {Pick<Console, "debug" | "warn">} console
 * @param {Pick<NotificationConnectionManager<any>, "onAll" | "onState" | "onError" | "onReset" | "onSignOut">} manager
 */
export function logTo(console, manager) {
  const say = (/** @type {unknown[]} */ ...what) => console.debug("notify-sse:", ...what);
  manager.onState(({ status, transport, attempt, reason, shared, connectionId }) => {
    say(status, { transport, attempt, reason, shared, connectionId });
  });
  manager.onAll(({ cursor, notification_id: id, notification_type: type }) => say("notification", cursor, type, id));
  manager.onReset(({ reason, from, to }) => say("reset", reason, from, "→", to));
  manager.onSignOut(() => say("signed out"));
  manager.onError(({ code, status, detail, cause }) => console.warn("notify-sse:", code, status, detail, cause));
}
