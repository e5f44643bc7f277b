import type { ReactElement, ReactNode } from "react";
import type { NotificationConnectionManager } from "../notify-sse.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

export interface NotificationSocket
  extends NotificationView,
    Pick<NotificationStore, "markAllRead" | "loadOlder" | "clear"> {
  manager: NotificationConnectionManager<any>;
  retryNow(): void;
}

export declare function NotificationProvider(props: {
  manager: NotificationConnectionManager<any>;
  options?: StoreOptions;
  children?: ReactNode;
}): ReactElement;

export declare function useNotificationSocket(): NotificationSocket;
export declare function useNotificationSocket<T>(
  selector: (socket: NotificationSocket) => T,
  isEqual?: (a: T, b: T) => boolean,
): T;
