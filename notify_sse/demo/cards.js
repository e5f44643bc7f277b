// How each of the three example types looks.

const ICONS = {
  account_update: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8Zm-7 8a7 7 0 0 1 14 0",
  new_message: "M4 6h16v11H9l-5 4V6Z",
  system_alert: "M12 3 2.5 20h19L12 3Zm0 7v5m0 2.6v.2",
  other: "M6 9a6 6 0 1 1 12 0c0 6 2 7 2 7H4s2-1 2-7Zm4 11h4",
};

const TITLES = {
  account_update: ({ field }) => `Account update${field ? ` · ${field}` : ""}`,
  new_message: ({ sender }) => `Message from ${sender ?? "someone"}`,
  system_alert: ({ severity }) => `System alert · ${severity ?? "info"}`,
};

/** What an item is called. */
export function titleOf(type, payload) {
  return TITLES[type]?.(payload) ?? type;
}

/** The card of `notification`, a list item. */
export function card(notification) {
  const { notification_type: type, payload, timestamp, cursor } = notification;
  const item = document.createElement("li");
  item.className = "card";
  item.dataset.type = TITLES[type] ? type : "other";
  if (type === "system_alert") item.dataset.severity = payload.severity;
  item.append(mark(type, payload), body(titleOf(type, payload), payload.text), when(timestamp, cursor));
  return item;
}

function mark(type, { sender }) {
  const shape = document.createElement("span");
  shape.className = "mark";
  shape.ariaHidden = "true";
  if (type === "new_message" && sender) shape.textContent = sender[0].toUpperCase();
  else shape.innerHTML = `<svg viewBox="0 0 24 24"><path d="${ICONS[type] ?? ICONS.other}"/></svg>`;
  return shape;
}

function body(title, text) {
  const block = document.createElement("div");
  const heading = document.createElement("strong");
  const words = document.createElement("p");
  heading.textContent = title;
  words.textContent = typeof text === "string" ? text : JSON.stringify(text ?? {});
  block.append(heading, words);
  return block;
}

function when(timestamp, cursor) {
  const time = document.createElement("time");
  time.dateTime = timestamp;
  time.textContent = new Date(timestamp).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  });
  time.title = `cursor ${cursor}`;
  return time;
}
