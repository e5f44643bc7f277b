// notify-sse: notifications in the browser, each exactly once and in order. See docs/reference/browser-client.md.
//
// src/ is the core of the client. The way of a notification through it:
//   transports/  reads bytes from the network, in one of four ways
//   stream.js    one stream over one transport, watched for silence
//   connection.js keeps a stream open: tokens, retries, fallbacks (what to do next is decided in policy.js)
//   tabs/        shares one connection between all tabs of a browser
//   manager.js   what a page holds: its listeners and its cursor
export { NotificationConnectionManager } from "./manager.js";
