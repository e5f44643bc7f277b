import type { App, ComputedRef, HTMLAttributes, ShallowRef } from "vue";
import type {
  AnyNotification,
  ConnectionState,
  ManagerOptions,
  NewUser,
  Notification,
  NotificationConnectionManager,
} from "../notify-sse.js";
import type { DevtoolsProps } from "../views/notify-devtools.js";
import type { InboxProps } from "../views/notify-inbox.js";
import type { StatusProps } from "../views/notify-status.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

/** The view as refs, and what can be done. */
export interface NotificationRefs<Item = Notification, P extends object = any>
  extends Pick<NotificationStore, "markRead" | "markAllRead" | "loadOlder" | "clear"> {
  view: ShallowRef<NotificationView<Item>>;
  items: ComputedRef<readonly Item[]>;
  unread: ComputedRef<number>;
  last: ComputedRef<Item | null>;
  connection: ComputedRef<ConnectionState | null>;
  manager: NotificationConnectionManager<P>;
  retryNow(): void;
  signOut(): void;
  switchUser(who?: NewUser): void;
}

/** Keeps the manager connected while the app is mounted. */
export interface NotificationsPlugin {
  install(app: App): void;
}

/** What `createNotifications()` gives. */
export interface Notifications<P extends object> {
  manager: NotificationConnectionManager<P>;
  store: NotificationStore<AnyNotification<P>>;
  plugin: NotificationsPlugin;
  useNotifications(): NotificationRefs<AnyNotification<P>, P>;
}

export declare function notificationsPlugin(
  manager: NotificationConnectionManager<any>,
  options?: StoreOptions,
): NotificationsPlugin;
export declare function createNotifications<P extends object = any>(
  options?: ManagerOptions,
  storeOptions?: StoreOptions,
): Notifications<P>;
export declare function useNotificationSocket(): NotificationRefs;

/** An element in a template. */
type InTemplate<Props> = new () => { $props: Props & HTMLAttributes };

declare module "vue" {
  interface GlobalComponents {
    "notify-devtools": InTemplate<DevtoolsProps>;
    "notify-inbox": InTemplate<InboxProps>;
    "notify-status": InTemplate<StatusProps>;
  }
}
