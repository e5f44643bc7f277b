import type { Notification, NotificationConnectionManager } from "../notify-sse.js";

/** `{n}` is the number of unread ones, `{title}` the notification's. English, German and Spanish are shipped. */
export interface InboxTexts {
  title: string;
  bell: string;
  markAll: string;
  markRead: string;
  markUnread: string;
  empty: string;
  older: string;
  loading: string;
  end: string;
  failed: string;
  retry: string;
  unread: string;
  close: string;
  desktop: string;
  arrived: string;
}

/** Makes what is shown of an item: a node or a text. Nothing: it is shown as those without a renderer. */
export type Renderer = (item: Notification) => Node | string | null | undefined;

/** What is set of the element where it is written in a template. */
export interface InboxProps {
  manager?: NotificationConnectionManager<any> | null;
  texts?: Partial<InboxTexts>;
  renderers?: Record<string, Renderer>;
  /** The types that are shown as toasts, separated by blanks; `*` for all. */
  toasts?: string;
  /** With toasts, two short tones. */
  sound?: boolean;
  /** Offer to show them on the desktop while the page is hidden. */
  desktop?: boolean;
}

export declare class NotifyInbox extends HTMLElement {
  manager: NotificationConnectionManager<any> | null;
  /** Other words. What is not given stays in the language of the element. */
  set texts(texts: Partial<InboxTexts>);
  /** By type; `"*"` for all others. */
  set renderers(renderers: Record<string, Renderer>);
  readonly unread: number;
  open(): void;
  close(toBell?: boolean): void;
  // The browser calls these.
  static observedAttributes: string[];
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "notify-inbox": NotifyInbox;
  }
}
