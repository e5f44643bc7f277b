import type { NotificationConnectionManager } from "../notify-sse.js";

export declare class NotifyDevtools extends HTMLElement {
  manager: NotificationConnectionManager<any> | null;
  // The browser calls these.
  connectedCallback(): void;
  disconnectedCallback(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "notify-devtools": NotifyDevtools;
  }
}
