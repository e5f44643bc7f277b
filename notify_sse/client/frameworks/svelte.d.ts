import type {
  AnyNotification,
  ManagerOptions,
  NewUser,
  Notification,
  NotificationConnectionManager,
} from "../notify-sse.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

/** A store by Svelte's contract. It connects while somebody is subscribed to it. */
export interface SvelteNotifications<Item = Notification, P extends object = any>
  extends Pick<NotificationStore, "markRead" | "markAllRead" | "loadOlder" | "clear"> {
  subscribe(run: (view: NotificationView<Item>) => void): () => void;
  manager: NotificationConnectionManager<P>;
  retryNow(): void;
  signOut(): void;
  switchUser(who?: NewUser): void;
}

export declare function notificationStore<P extends object = any>(
  manager: NotificationConnectionManager<P>,
  options?: StoreOptions,
): SvelteNotifications<AnyNotification<P>, P>;
export declare function createNotifications<P extends object = any>(
  options?: ManagerOptions,
  storeOptions?: StoreOptions,
): { manager: NotificationConnectionManager<P>; notifications: SvelteNotifications<AnyNotification<P>, P> };
