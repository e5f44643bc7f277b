import type { DetailedHTMLProps, HTMLAttributes, ReactElement, ReactNode } from "react";
import type { NewUser, NotificationConnectionManager } from "../notify-sse.js";
import type { NotifyStatus, StatusTexts } from "../views/notify-status.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

export interface NotificationSocket
  extends NotificationView,
    Pick<NotificationStore, "markAllRead" | "loadOlder" | "clear"> {
  manager: NotificationConnectionManager<any>;
  retryNow(): void;
  signOut(): void;
  switchUser(who?: NewUser): void;
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

/**
 * `<notify-status>` in JSX. React 19 sets its properties in the browser. With React 18, and where a server renders, set `manager` and
 * `texts` by a ref.
 */
export interface NotifyStatusProps extends DetailedHTMLProps<HTMLAttributes<NotifyStatus>, NotifyStatus> {
  manager?: NotificationConnectionManager<any> | null;
  texts?: Partial<StatusTexts>;
  quiet?: boolean;
  onretry?: (event: Event) => void;
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "notify-status": NotifyStatusProps;
    }
  }
}
