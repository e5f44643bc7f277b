// What the client throws and rejects with. Each error has a `code` that stays the same in all versions. Ask for the code,
// not for the class: notify-sse.js is built as one file, and the modules that it loads later have their own copy of a class.

/** @import { NotificationFailure } from "../notify-sse.js" */

/**
 * The root of the client's errors.
 *
 * @template {string} Code
 */
export class NotificationError extends Error {
  /**
   * @param {Code} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "NotificationError";
    this.code = code;
  }
}

/**
 * The service refused to give a page of the history. `status` is the HTTP status of its answer.
 *
 * @extends {NotificationError<"history">}
 */
export class HistoryError extends NotificationError {
  /**
   * @param {number} status
   * @param {{ code?: string, detail?: string }} [problem] the service's own code and words
   */
  constructor(status, { code, detail } = {}) {
    super("history", `The history answered ${status}${detail ? `: ${detail}` : ""}`);
    this.status = status;
    this.problem = code ?? null;
  }
}

/**
 * There are as many streams over HTTP/1.1 as a browser bears.
 *
 * @extends {NotificationError<"crowded">}
 */
export class CrowdedError extends NotificationError {
  constructor() {
    super("crowded", "Too many tabs have streams");
  }
}

/**
 * What was asked for would be another user's: somebody else has signed in, or the page has signed out meanwhile.
 *
 * @extends {NotificationError<"other_user">}
 */
export class OtherUserError extends NotificationError {
  constructor() {
    super("other_user", "This is another user's");
  }
}

/**
 * `useNotificationSocket()` was called outside of a `<NotificationProvider>`.
 *
 * @extends {NotificationError<"no_provider">}
 */
export class MissingProviderError extends NotificationError {
  constructor(message = "useNotificationSocket() needs a <NotificationProvider> above it") {
    super("no_provider", message);
  }
}

/**
 * Whether a failure is another one than the one before it, or the same once more.
 *
 * @param {NotificationFailure} error
 * @param {NotificationFailure | null} before
 * @param {boolean} isAnother
 */
export function isNews({ code, detail }, before, isAnother) {
  return isAnother || code !== before?.code || detail !== before?.detail;
}
