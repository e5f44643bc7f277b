import type { NotificationConnectionManager } from "../notify-sse.js";

/** What is set of the element where it is written in a template. */
export interface DevtoolsProps {
  manager?: NotificationConnectionManager<any> | null;
}

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
