// The page of the inbox's tests: all in files, as a strict policy wants it.
import "/client/notify-inbox.js";
import "/client/notify-status.js";
import { NotificationConnectionManager } from "/client/notify-sse.js";

Object.assign(window, { violations: [], errors: [], chosen: [] });
document.addEventListener("securitypolicyviolation", ({ violatedDirective }) => window.violations.push(violatedDirective));
window.addEventListener("error", ({ message }) => window.errors.push(message));
window.addEventListener("unhandledrejection", ({ reason }) => window.errors.push(String(reason)));

const sub = new URLSearchParams(location.search).get("sub") ?? "alice";
const getToken = async () => (await fetch(`/test/token?sub=${sub}`)).text();
window.manager = new NotificationConnectionManager({ getToken, user: sub, share: "none" });
window.inbox = document.querySelector("notify-inbox");
window.inbox.manager = window.manager;
window.inbox.addEventListener("choose", ({ detail }) => window.chosen.push(detail.payload.n));
document.querySelector("notify-status").manager = window.manager;
window.manager.connect();
window.connected = () => window.manager.state.status === "connected";
/** What is in the inbox's shadow tree. */
window.inside = (selector) => [...window.inbox.shadowRoot.querySelectorAll(selector)];
