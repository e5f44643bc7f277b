// Types of the core client. docs/reference/browser-client.md explains each option and event.

/** A notification as its publisher sent it, with its place in the log. */
export interface Notification<Payload = Record<string, unknown>> {
  notification_id: string;
  notification_type: string;
  /** Exactly one of `recipient_id` and `topic` is there. */
  recipient_id?: string;
  topic?: string;
  /** RFC 3339. */
  timestamp: string;
  payload: Payload;
  expires_at?: string;
  /** `<epoch>.<id>`; added by the client. */
  cursor: string;
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
}

export interface Reset {
  reason: "expired" | "unknown_epoch" | "ahead_of_log";
  from: string | null;
  to: string;
  history: string;
  /** The newest stored notifications, newest first; null when they could not be read. */
  items: Notification[] | null;
}

export type TokenReason = "connect" | "retry" | "expiring" | "wake" | "upgrade" | "unauthorized" | "poll" | "history";

export interface ManagerOptions {
  /** Where the service's routes are. Default `/notifications`. */
  url?: string;
  /** Called before each connection, and before the token ends. Without it the session cookie is used. */
  getToken?: (wanted: { reason: TokenReason }) => string | null | undefined | Promise<string | null | undefined>;
  /** `header` uses fetch streaming instead of EventSource. Default `query`. */
  tokenIn?: "query" | "header";
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
}

export interface HistoryQuery {
  after?: string;
  before?: string;
  /** At most 500; default 50. */
  limit?: number;
  type?: string;
  /** Default `desc`: newest first. */
  order?: "asc" | "desc";
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
  /** The next page in the same direction; null at the end. */
  next(): Promise<HistoryPage | null>;
}

/** What `history()` rejects with when the service refuses. Ask for `code`: the class is not exported. */
export interface HistoryError extends Error {
  readonly code: "history";
  /** The HTTP status of the answer. */
  readonly status: number;
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
  on<T extends keyof P & string>(type: T, listener: (notification: Notification<P[T]>) => void): Unsubscribe;
  on(type: "*", listener: (notification: Notification) => void): Unsubscribe;
  onAll(listener: (notification: Notification) => void): Unsubscribe;
  onState(listener: (state: ConnectionState) => void): Unsubscribe;
  onReset(listener: (reset: Reset) => void): Unsubscribe;
  /** Called by `signOut()` and `switchUser()`: show nothing of that user any more. */
  onSignOut(listener: () => void): Unsubscribe;
  setTopics(topics: readonly string[]): void;
  history(query?: HistoryQuery): Promise<HistoryPage>;
}
