// The bell, and the panel that it opens.

const BELL = "M6 10a6 6 0 1 1 12 0c0 5 2 6 2 6H4s2-1 2-6Zm4 10h4";

export function bellIcon() {
  const space = "http://www.w3.org/2000/svg";
  const icon = document.createElementNS(space, "svg");
  const path = document.createElementNS(space, "path");
  icon.setAttribute("viewBox", "0 0 24 24");
  icon.setAttribute("aria-hidden", "true");
  path.setAttribute("d", BELL);
  icon.append(path);
  return icon;
}

/**
 * Opens the panel at the bell, and keeps it there. Returns what closes it.
 *
 * @param {HTMLElement} panel
 * @param {HTMLElement} bell
 * @param {HTMLElement} host a click outside of it is a wish to close
 * @param {() => void} leave
 */
export function openBeside(panel, bell, host, leave) {
  const outside = (/** @type {Event} */ event) => event.composedPath().includes(host) || leave();
  const move = () => place(panel, bell, getComputedStyle(host).direction === "rtl");
  panel.classList.add("open");
  move();
  document.addEventListener("pointerdown", outside);
  addEventListener("resize", move);
  addEventListener("scroll", move, { passive: true, capture: true });
  return () => {
    panel.classList.remove("open");
    document.removeEventListener("pointerdown", outside);
    removeEventListener("resize", move);
    removeEventListener("scroll", move, { capture: true });
  };
}

/**
 * Below the bell, and within the window.
 *
 * @param {HTMLElement} panel
 * @param {HTMLElement} bell
 * @param {boolean} isFromRight
 */
function place(panel, bell, isFromRight) {
  const { left, right, bottom } = bell.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const wanted = isFromRight ? left : right - width;
  panel.style.left = `${Math.max(8, Math.min(wanted, innerWidth - width - 8))}px`;
  panel.style.top = `${Math.max(8, Math.min(bottom + 6, innerHeight - height - 8))}px`;
}
