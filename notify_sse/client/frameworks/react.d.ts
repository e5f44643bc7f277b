import type { DetailedHTMLProps, HTMLAttributes, ReactElement, ReactNode } from "react";
import type {
  AnyNotification,
  ManagerOptions,
  NewUser,
  Notification,
  NotificationConnectionManager,
} from "../notify-sse.js";
import type { DevtoolsProps, NotifyDevtools } from "../views/notify-devtools.js";
import type { InboxProps, InboxTexts, NotifyInbox, Renderer } from "../views/notify-inbox.js";
import type { NotifyStatus, StatusProps } from "../views/notify-status.js";
import type { NotificationStore, NotificationView, StoreOptions } from "../views/store.js";

export interface NotificationSocket<Item = Notification, P extends object = any>
  extends NotificationView<Item>,
    Pick<NotificationStore, "markRead" | "markAllRead" | "loadOlder" | "clear"> {
  manager: NotificationConnectionManager<P>;
  retryNow(): void;
  signOut(): void;
  switchUser(who?: NewUser): void;
}

/** What `createNotifications()` gives. */
export interface Notifications<P extends object> {
  manager: NotificationConnectionManager<P>;
  store: NotificationStore<AnyNotification<P>>;
  /** Keeps the manager connected while it is mounted. */
  NotificationProvider(props: { children?: ReactNode }): ReactElement;
  /** As `useNotificationSocket`, with the payloads of your types. */
  useNotifications(): NotificationSocket<AnyNotification<P>, P>;
  useNotifications<T>(
    selector: (socket: NotificationSocket<AnyNotification<P>, P>) => T,
    isEqual?: (a: T, b: T) => boolean,
  ): T;
}

/** `createNotifications<{ new_message: { text: string } }>({ getToken, user })` */
export declare function createNotifications<P extends object = any>(
  options?: ManagerOptions,
  storeOptions?: StoreOptions,
): Notifications<P>;

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

export interface NotificationInboxProps {
  /** Default: that of the provider above it. */
  manager?: NotificationConnectionManager<any>;
  /** Keep the same object between renderings. */
  texts?: Partial<InboxTexts>;
  /** Keep the same object between renderings. */
  renderers?: Record<string, Renderer>;
  onChoose?: (item: Notification) => void;
  /** The types that are shown as toasts, separated by blanks; `*` for all. */
  toasts?: string;
  /** With toasts, two short tones. */
  sound?: boolean;
  /** Offer to show them on the desktop while the page is hidden. */
  desktop?: boolean;
  lang?: string;
  className?: string;
  id?: string;
}

/** `<notify-inbox>`: a bell with a badge, and the list that it opens. */
export declare function NotificationInbox(props: NotificationInboxProps): ReactElement;

/**
 * `<notify-status>` in JSX. React 19 sets its properties in the browser. With React 18, and where a server renders, set `manager` and
 * `texts` by a ref.
 */
export interface NotifyStatusProps extends StatusProps, DetailedHTMLProps<HTMLAttributes<NotifyStatus>, NotifyStatus> {
  onretry?: (event: Event) => void;
}

/** `<notify-inbox>` in JSX, as `<notify-status>`. */
export interface NotifyInboxProps extends InboxProps, DetailedHTMLProps<HTMLAttributes<NotifyInbox>, NotifyInbox> {}

/** `<notify-devtools>` in JSX, as `<notify-status>`. */
export interface NotifyDevtoolsProps
  extends DevtoolsProps,
    DetailedHTMLProps<HTMLAttributes<NotifyDevtools>, NotifyDevtools> {}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "notify-devtools": NotifyDevtoolsProps;
      "notify-inbox": NotifyInboxProps;
      "notify-status": NotifyStatusProps;
    }
  }
}
