import type { NotificationConnectionManager } from "../notify-sse.js";

export interface StatusTexts {
  connecting: string;
  connected: string;
  reconnecting: string;
  /** `{s}` is replaced by the seconds left. */
  waiting: string;
  offline: string;
  /** Instead of the manager's own message. */
  failed: string;
  retry: string;
}

/** What is set of the element where it is written in a template. */
export interface StatusProps {
  manager?: NotificationConnectionManager<any> | null;
  texts?: Partial<StatusTexts>;
  quiet?: boolean;
}

export declare class NotifyStatus extends HTMLElement {
  manager: NotificationConnectionManager<any> | null;
  set texts(texts: Partial<StatusTexts>);
  // The browser calls these.
  static observedAttributes: string[];
  connectedCallback(): void;
  disconnectedCallback(): void;
  attributeChangedCallback(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "notify-status": NotifyStatus;
  }
}
