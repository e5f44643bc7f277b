// Types of the core client. docs/reference/browser-client.md explains each option and event.

/** A notification as its publisher sent it, with its place in the log. */
export interface Notification<Payload = Record<string, unknown>, Type extends string = string> {
  notification_id: string;
  notification_type: Type;
  /** Exactly one of `recipient_id` and `topic` is there. */
  recipient_id?: string;
  topic?: string;
  /** RFC 3339. */
  timestamp: string;
  payload: Payload;
  expires_at?: string;
  /** `<epoch>.<id>`; added by the client. */
  cursor: string;
  /** It does not count as unread. */
  silent?: boolean;
  /** Whether the user has read it, on any device. Only in pages of the history, and only where the service keeps that. */
  read?: boolean;
  /** It was there before the page was: one of those that the option `initial` asks for. */
  initial?: boolean;
}

export type Transport = "eventsource" | "fetch" | "websocket" | "longpoll";

export type Status = "idle" | "connecting" | "connected" | "reconnecting" | "offline" | "failed" | "paused" | "closed";

export interface ConnectionState {
  status: Status;
  /** Why the last connection ended, or was not made: `network`, `refused`, `timeout`, `stalled`, `unauthorized`, … */
  reason: string | null;
  /** While `failed`: a sentence that may be shown to the user. Otherwise empty. */
  message: string;
  transport: Transport | null;
  /** Failures in a row. */
  attempt: number;
  /** Unix time in ms of the next try; null when none is planned, or one is under way. */
  retryAt: number | null;
  /** How the connection is shared with other tabs; null when it is not. */
  shared: "worker" | "leader" | "follower" | null;
  /** Whose notifications these are, as the service says; null until it said so. */
  recipient: string | null;
  /** What went wrong the last time; null once connected. */
  error: NotificationFailure | null;
  /** The service's id of the open stream, for `notify-sse trace` and its logs; null where it has none. */
  connectionId: string | null;
  /** How many were unread when the stream was opened; null where the service does not keep that. */
  unread: number | null;
  /** The cursor up to which that count goes. */
  unreadUpto: string | null;
}

/** What went wrong, in the service's own words where it had some. */
export interface NotificationFailure {
  /** The service's code (`unauthorized`, …), or else the reason (`network`, `token`, …). Stays the same in all versions. */
  code: string;
  /** The HTTP status; null when there was no answer. */
  status: number | null;
  /** A sentence for developers. */
  detail: string | null;
  /** What `getToken` threw; null otherwise. */
  cause: unknown;
}

export interface Reset {
  reason: "expired" | "unknown_epoch" | "ahead_of_log";
  from: string | null;
  to: string;
  history: string;
  /** The newest stored notifications, newest first; null when they could not be read. */
  items: Notification[] | null;
}

export type TokenReason =
  | "connect"
  | "retry"
  | "expiring"
  | "wake"
  | "upgrade"
  | "fallback"
  | "unauthorized"
  | "poll"
  | "history";

export interface ManagerOptions {
  /** Where the service's routes are. Default `/notifications`. */
  url?: string;
  /** Called before each connection, and before the token ends. Without it the session cookie is used. */
  getToken?: (wanted: { reason: TokenReason }) => string | null | undefined | Promise<string | null | undefined>;
  /** `header` uses fetch streaming instead of EventSource; `ticket` swaps the token for one that is good once. Default `query`. */
  tokenIn?: "query" | "header" | "ticket";
  /** Send cookies to another origin. Default false. */
  withCredentials?: boolean;
  /** Who is signed in. Keeps cursors of several users apart; tabs share a connection only when it is given. */
  user?: string;
  /** Granted topics to read beside the user's own notifications. */
  topics?: string[];
  /** Default `auto`: the best that works. */
  transport?: "auto" | Transport;
  /** How tabs share one connection. Default `auto`: SharedWorker, else a leader tab, else none. */
  share?: "auto" | "worker" | "leader" | "none";
  /** Where the SharedWorker's file is, for bundlers that do not find it by themselves. Default: beside the core. */
  workerUrl?: string | URL;
  /** Where the cursor is kept across reloads. Default `session`. */
  resume?: "session" | "local" | "none";
  /** Start from this cursor instead of the kept one. */
  cursor?: string;
  /** Failures in a row until `failed`. Default 10. */
  maxAttempts?: number;
  /** Ceiling of the first wait. Default 1000. */
  baseMs?: number;
  /** Highest ceiling. Default 8000. */
  maxMs?: number;
  /** Failures of a transport that are its own fault, until the next is used. Default 3. */
  fallbackAfter?: number;
  /** How often a better transport is tried again. Default 60000. */
  upgradeAfterMs?: number;
  /** How long a connection may take to be established. Default 10000. */
  connectTimeoutMs?: number;
  /** While `failed`, try again about this often; 0 for never. Default 60000. */
  failedRetryMs?: number;
  /** For tests: a number from 0 to 1. */
  random?: () => number;
  /** So many of the newest stored notifications are handed over first, with `initial: true`. Default 0. */
  initial?: number;
  /** Tell the console what happens. Default false. */
  debug?: boolean;
}

export interface HistoryQuery {
  after?: string;
  before?: string;
  /** At most 500; default 50. */
  limit?: number;
  type?: string;
  /** Default `desc`: newest first. */
  order?: "asc" | "desc";
  /** Ends the wait for the answer. */
  signal?: AbortSignal;
}

export interface HistoryPage {
  items: Notification[];
  cursor: string;
  /** Whose notifications these are. Services before 0.2 do not say. */
  recipient_id?: string;
  more: boolean;
  /** Where to read on when it is not the last item: a page of some types may end early. `next()` knows. */
  before?: string;
  reset: Omit<Reset, "items"> | null;
  /** What else was in the stream between the items: that something was read, or recalled. Only of pages in ascending order. */
  events?: { event: string; cursor: string; data: object }[];
  /** The next page in the same direction; null at the end. */
  next(): Promise<HistoryPage | null>;
}

/** The user has read something, on any device. */
export interface ReadMark {
  /** Everything up to here is read; null when it is about single ones. */
  upto: string | null;
  /** These; null when it is about all up to a cursor. */
  ids: readonly string[] | null;
  /** Whether they are read now, or unread again. */
  read: boolean;
  /** How many are unread now. */
  unread: number;
  cursor: string;
}

export interface Recalled {
  notification_id: string;
  cursor: string;
}

/** Up to which cursor, or which `notification_id`s. */
export type Marking = string | readonly string[] | { ids: readonly string[]; read: boolean } | { upto: string };

/** What `history()` rejects with when the service refuses. Ask for `code`: the class is not exported. */
export interface HistoryError extends Error {
  readonly code: "history";
  /** The HTTP status of the answer. */
  readonly status: number;
  /** The service's own code, as `forbidden`; null when it gave none. */
  readonly problem: string | null;
}

/** What `history()` rejects with when the answer is another user's. Ask for `code`: the class is not exported. */
export interface OtherUserError extends Error {
  readonly code: "other_user";
}

/** Who signed in. */
export interface NewUser {
  user?: ManagerOptions["user"];
  getToken?: ManagerOptions["getToken"];
}

export type Unsubscribe = () => void;

/** Names the payloads of your types: `new NotificationConnectionManager<{ new_message: { text: string } }>()`. */
export type Payloads = Record<string, object>;

/** Any of the notifications whose payloads `P` names: `notification_type` tells which. */
export type AnyNotification<P extends object = any> = 0 extends 1 & P
  ? Notification
  : string extends keyof P
    ? Notification
    : { [T in keyof P & string]: Notification<P[T], T> }[keyof P & string];

export declare class NotificationConnectionManager<P extends object = Record<string, Record<string, unknown>>> {
  constructor(options?: ManagerOptions);
  readonly options: Readonly<ManagerOptions> & { url: string };
  readonly state: ConnectionState;
  /** Everything up to it has been received. */
  readonly cursor: string | null;
  /** Whose notifications these are, as the service said; null until then, and after `signOut()`. */
  readonly recipient: string | null;
  /** How often a user was signed out: what was got before the last time is not this user's. */
  readonly signOuts: number;
  connect(): this;
  close(): void;
  /** Ends the stream, and forgets all that is known of the user, in memory and in the storage. */
  signOut(): void;
  /** Signs out, and goes on as another user; connected when it was before. */
  switchUser(who?: NewUser): this;
  retryNow(): void;
  on<T extends keyof P & string>(type: T, listener: (notification: Notification<P[T], T>) => void): Unsubscribe;
  on(type: "*", listener: (notification: AnyNotification<P>) => void): Unsubscribe;
  onAll(listener: (notification: AnyNotification<P>) => void): Unsubscribe;
  onState(listener: (state: ConnectionState) => void): Unsubscribe;
  onReset(listener: (reset: Reset) => void): Unsubscribe;
  /** Called for each failure, also for those that heal by themselves. */
  onError(listener: (error: NotificationFailure) => void): Unsubscribe;
  /** Called when the user has read something, here or on another device. */
  onRead(listener: (mark: ReadMark) => void): Unsubscribe;
  /** Called when a notification was taken back: it is not to be shown any more. */
  onRecalled(listener: (recalled: Recalled) => void): Unsubscribe;
  /**
   * Marks as read, on all devices: all up to a cursor, or single ones by their ids. Returns how many are unread then; null where the
   * service does not keep that.
   */
  markRead(what: Marking): Promise<number | null>;
  /** Called by `signOut()` and `switchUser()`: show nothing of that user any more. */
  onSignOut(listener: () => void): Unsubscribe;
  setTopics(topics: readonly string[]): void;
  history(query?: HistoryQuery): Promise<HistoryPage>;
}
