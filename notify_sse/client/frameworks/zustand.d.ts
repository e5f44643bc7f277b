import type { StoreApi } from "zustand/vanilla";
import type { NewUser, NotificationConnectionManager } from "../notify-sse.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

export interface NotificationSlice
  extends NotificationView,
    Pick<NotificationStore, "markRead" | "markAllRead" | "clear" | "loadOlder" | "destroy"> {
  retryNow(): void;
  signOut(): void;
  switchUser(who?: NewUser): void;
}

export declare function createZustandStore(
  manager: NotificationConnectionManager<any>,
  options?: StoreOptions,
): StoreApi<NotificationSlice>;
