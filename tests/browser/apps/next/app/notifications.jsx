"use client";
import { NotificationConnectionManager } from "notify-sse";
import { NotificationProvider, useNotificationSocket } from "notify-sse/react";
import "notify-sse/notify-status";
import { useEffect } from "react";

const manager = new NotificationConnectionManager({
  user: "alice",
  getToken: async () => (await fetch("/test/token?sub=alice")).text(),
});

export function Notifications() {
  useEffect(() => {
    window.manager = manager;
  }, []);
  return (
    <NotificationProvider manager={manager}>
      <notify-status ref={follow} />
      <Seen />
    </NotificationProvider>
  );
}

/** React sets no properties of an element that the server has rendered. */
function follow(element) {
  if (element) element.manager = manager;
}

function Seen() {
  const items = useNotificationSocket((socket) => socket.items);
  const unread = useNotificationSocket((socket) => socket.unread);
  return (
    <>
      <p id="seen">{items.map(({ payload }) => payload.n).join()}</p>
      <p id="unread">{unread}</p>
    </>
  );
}
