// A server component. It may import what is for the browser, and gets a reference to it.
import { NotificationProvider } from "notify-sse/react";
import { Notifications } from "./notifications.jsx";

export default function Page() {
  return (
    <main data-provider={typeof NotificationProvider}>
      <Notifications />
    </main>
  );
}
