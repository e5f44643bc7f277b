// Checked by tsc, never run: the elements in JSX, and in the templates of Vue.
import { NotificationConnectionManager } from "notify-sse";
import "notify-sse/react";
import "notify-sse/vue";
import type { GlobalComponents } from "vue";

const manager = new NotificationConnectionManager({ user: "alice" });

export const inJsx = (
  <>
    <notify-status manager={manager} texts={{ offline: "Away" }} quiet className="top" />
    <notify-inbox manager={manager} toasts="system_alert" renderers={{ "*": (item) => item.notification_type }} sound />
    <notify-devtools manager={manager} hidden ref={(panel) => void (panel && (panel.manager = manager))} />
    {/* @ts-expect-error: a manager, not its address */}
    <notify-devtools manager="/notifications" />
    {/* @ts-expect-error: no text of the banner */}
    <notify-status texts={{ ofline: "Away" }} />
  </>
);

type PropsOf<Tag extends keyof GlobalComponents> = InstanceType<GlobalComponents[Tag]>["$props"];
export const inVue: [PropsOf<"notify-status">, PropsOf<"notify-inbox">, PropsOf<"notify-devtools">] = [
  { manager, quiet: true, class: "top" },
  { manager, toasts: "*", desktop: true },
  { manager, hidden: true },
];
// @ts-expect-error: a manager, not its address
export const wrong: PropsOf<"notify-devtools"> = { manager: "/notifications" };
