import type {
  AnyNotification,
  ConnectionState,
  NewUser,
  Notification,
  NotificationConnectionManager,
} from "../notify-sse.js";

export interface NotificationView<Item = Notification> {
  connection: ConnectionState | null;
  /** Newest first. */
  items: readonly Item[];
  /** The one that came last. */
  last: Item | null;
  /** How many are unread, on all of the user's devices; or in this page, where the service does not count. */
  unread: number;
  /** Who counts `unread`: the service does it for all devices. */
  countedBy: "service" | "page";
  /** How many resets there were: after each, something may be missing. */
  resets: number;
}

export interface BurstOptions {
  /** Types that can wait, and for how many ms: `{ account_update: 5000 }`; `"*"` for all not named. */
  throttle?: Record<string, number>;
  /** Only these types. */
  types?: string[];
  /** Calls `act` with the next frame, and returns what cancels it. For tests. */
  nextFrame?: (act: () => void) => () => void;
}

export interface StoreOptions extends BurstOptions {
  /** How many items to keep. Default 200. */
  keep?: number;
  /** So many of the newest stored items are there from the beginning. Default 0. */
  initial?: number;
  /** Follow the manager only from `listen()` on. Default false. */
  idle?: boolean;
}

export interface NotificationStore<Item = Notification> {
  getState(): NotificationView<Item>;
  subscribe(subscriber: (state: NotificationView<Item>) => void): () => void;
  /** Shows them as read (or unread again) at once; takes that back, and resolves to false, when the service cannot be told. */
  markRead(ids: readonly string[], read?: boolean): Promise<boolean>;
  markAllRead(): Promise<boolean>;
  clear(): void;
  loadOlder(limit?: number): Promise<boolean>;
  /** The manager's: all that follow it forget the user. */
  signOut(): void;
  switchUser(who?: NewUser): void;
  /** Follows the manager, as a new store does unless it is `idle`. Returns what ends that, and keeps the state. */
  listen(): () => void;
  /** Ends it for good. */
  destroy(): void;
}

export declare const EMPTY: Readonly<NotificationView>;
export declare function createNotificationStore<P extends object = any>(
  manager: NotificationConnectionManager<P>,
  options?: StoreOptions,
): NotificationStore<AnyNotification<P>>;
export declare function wants(types?: readonly string[]): (item: Notification) => boolean;
export declare function received(
  state: NotificationView,
  items: readonly Notification[],
  keep: number,
): Pick<NotificationView, "items" | "last" | "unread">;
export declare function merged(
  items: readonly Notification[],
  more: readonly Notification[],
  keep: number,
): Notification[];
