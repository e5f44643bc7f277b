import type { ConnectionState, Notification, NotificationConnectionManager } from "../notify-sse.js";

export interface NotificationView {
  connection: ConnectionState | null;
  /** Newest first. */
  items: readonly Notification[];
  /** The one that came last. */
  last: Notification | null;
  unread: number;
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
  /** Follow the manager only from `listen()` on. Default false. */
  idle?: boolean;
}

export interface NotificationStore {
  getState(): NotificationView;
  subscribe(subscriber: (state: NotificationView) => void): () => void;
  markAllRead(): void;
  clear(): void;
  loadOlder(limit?: number): Promise<boolean>;
  /** Follows the manager, as a new store does unless it is `idle`. Returns what ends that, and keeps the state. */
  listen(): () => void;
  /** Ends it for good. */
  destroy(): void;
}

export declare const EMPTY: Readonly<NotificationView>;
export declare function createNotificationStore(
  manager: NotificationConnectionManager<any>,
  options?: StoreOptions,
): NotificationStore;
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
