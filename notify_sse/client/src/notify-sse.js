// notify-sse: notifications in the browser, each exactly once and in order. See docs/reference/browser-client.md.
export { NotificationConnectionManager } from "./manager.js";
