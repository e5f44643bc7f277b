// What arrives, shown beside the inbox for a while; with a sound and on the desktop, where the page and the user want that.
import { make } from "../dom.js";
import { titleOf } from "./items.js";

/** @import { Notification } from "../../notify-sse.js" */
/** @import { InboxTexts, Renderer } from "../../views/notify-inbox.js" */

const SHOWN_MS = 6000;
const MAX_SHOWN = 3;

/**
 * @param {HTMLElement} place
 * @param {Notification} item
 * @param {{ texts: InboxTexts, render?: Renderer, open: (item: Notification) => void }} how
 */
export function showToast(place, item, { texts, render, open }) {
  const given = render?.(item);
  const close = make("button", { part: "toast-close", type: "button", "aria-label": texts.close, textContent: "×" });
  const body = make(
    "button",
    { part: "toast-open", type: "button", onclick: () => open(item) },
    given ?? titleOf(item),
  );
  const toast = make("div", { part: "toast" }, body, close);
  body.style.flex = "1";
  body.style.textAlign = "start";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const leave = () => {
    clearTimeout(timer);
    toast.remove();
  };
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(leave, SHOWN_MS);
  };
  close.addEventListener("click", leave);
  body.addEventListener("click", leave);
  // It stays while somebody reads it.
  for (const event of ["pointerenter", "focusin"]) toast.addEventListener(event, () => clearTimeout(timer));
  for (const event of ["pointerleave", "focusout"]) toast.addEventListener(event, wait);
  wait();
  place.append(toast);
  while (place.children.length > MAX_SHOWN) place.firstElementChild?.remove();
}

/** Two short tones. A browser that has heard no click of the user yet plays nothing. */
export function playSound() {
  const Context = globalThis.AudioContext;
  if (!Context) return;
  const context = new Context();
  const volume = context.createGain();
  volume.gain.value = 0.08;
  volume.connect(context.destination);
  for (const [at, hertz] of [
    [0, 880],
    [0.12, 1175],
  ]) {
    const tone = context.createOscillator();
    tone.frequency.value = hertz;
    tone.connect(volume);
    tone.start(context.currentTime + at);
    tone.stop(context.currentTime + at + 0.1);
  }
  setTimeout(() => context.close().catch(() => {}), 500);
}

/** Whether the desktop may be used, and whether the user can still be asked. */
export function desktopState() {
  return globalThis.Notification?.permission ?? "denied";
}

/**
 * Shows it on the desktop while the page is hidden.
 *
 * @param {Notification} item
 * @param {string} url
 */
export function showOnDesktop(item, url) {
  if (desktopState() !== "granted" || !document.hidden) return;
  try {
    const shown = new globalThis.Notification(titleOf(item), { tag: `${url}:${item.notification_id}` });
    shown.onclick = () => globalThis.focus();
  } catch {
    // Android has it in service workers only.
  }
}
