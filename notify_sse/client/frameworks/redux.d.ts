import type {
  ConnectionState,
  NewUser,
  Notification,
  NotificationConnectionManager,
  ReadMark,
  Reset,
} from "../notify-sse.js";
import type { BurstOptions, NotificationView } from "../views/store.js";

/** Not an interface: Redux's own `UnknownAction` wants an index signature, which only an alias has implicitly. */
export type NotificationAction<Payload = unknown> = {
  type: string;
  payload?: Payload;
};

export declare const notificationActions: {
  received(items: Notification[]): NotificationAction<Notification[]>;
  connectionChanged(connection: ConnectionState): NotificationAction<ConnectionState>;
  reset(reset: Reset): NotificationAction<Reset>;
  /** Dispatched by the middleware: the user has read something, on any device. */
  marked(mark: ReadMark): NotificationAction<ReadMark>;
  /** Dispatched by the middleware: a notification was taken back. */
  recalled(id: string): NotificationAction<string>;
  /** Dispatched by the middleware: how many are unread, as the service counts; null when it does not. */
  counted(unread: number | null): NotificationAction<number | null>;
  markRead(ids: readonly string[]): NotificationAction<readonly string[]>;
  markAllRead(): NotificationAction;
  clear(): NotificationAction;
  connect(): NotificationAction;
  disconnect(): NotificationAction;
  retryNow(): NotificationAction;
  signOut(): NotificationAction;
  /** Give it to `dispatch`; it is not passed on. */
  switchUser(who: NewUser): NotificationAction<NewUser>;
  /** Dispatched by the middleware: the reducer forgets all. */
  signedOut(): NotificationAction;
};

export type NotificationsReducer = (
  state: NotificationView | undefined,
  action: { type: string; payload?: any },
) => NotificationView;

/** `keep`: how many items. Default 200. */
export declare function createNotificationsReducer(options?: { keep?: number }): NotificationsReducer;
export declare const notificationsReducer: NotificationsReducer;

/** Assignable to Redux's and Redux Toolkit's `Middleware`. */
export declare function notificationMiddleware(
  manager: NotificationConnectionManager<any>,
  options?: BurstOptions,
): (api: { dispatch: (action: any) => any }) => (next: (action: any) => any) => (action: any) => any;
