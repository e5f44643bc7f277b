import type { StoreApi } from "zustand/vanilla";
import type { NotificationConnectionManager } from "../notify-sse.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

export interface NotificationSlice
  extends NotificationView,
    Pick<NotificationStore, "markAllRead" | "clear" | "loadOlder" | "destroy"> {
  retryNow(): void;
}

export declare function createZustandStore(
  manager: NotificationConnectionManager<any>,
  options?: StoreOptions,
): StoreApi<NotificationSlice>;
