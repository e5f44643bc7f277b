import type {
  ConnectionState,
  Notification,
  NotificationConnectionManager,
  NotificationFailure,
  Reset,
} from "../notify-sse.js";

/** What a test says of a notification. What is not given is made up. */
export type Given<P extends object = any> = Partial<Omit<Notification<P[keyof P]>, "cursor">>;

/** What a test does with a fake manager. */
export interface FakeControls<P extends object = any> {
  /** What is stored, newest first: `history()` answers with it. */
  stored: Notification[];
  /** What was asked of it, in order: `["connect"]`, `["markRead", what]`, … */
  calls: [name: string, ...given: unknown[]][];
  /** A notification arrives. */
  receive(given?: Given<P>): Notification;
  /** The user has read something on another device. */
  receiveRead(mark: { upto?: string; ids?: string[]; read?: boolean; unread?: number }): void;
  /** A notification is taken back. */
  recall(id: string): void;
  reset(reset?: Partial<Reset>): void;
  fail(error?: Partial<NotificationFailure>): void;
  setState(state: Partial<ConnectionState>): void;
}

export declare function createFakeManager<P extends object = any>(given?: {
  stored?: Given<P>[];
  recipient?: string;
}): NotificationConnectionManager<P> & FakeControls<P>;
