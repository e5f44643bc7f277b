import type { NewUser, NotificationConnectionManager } from "../notify-sse.js";

export interface BadgeOptions {
  /** Where the last read cursor is kept in localStorage. */
  key?: string;
  /** Count only these types: the badge counts by itself then. */
  types?: string[];
  /** Beyond it, `text` is `"99+"`. Default 99. */
  max?: number;
  /** At most one update in this time. Default 0: one a frame. */
  everyMs?: number;
  /** Show it on the installed app's icon too (`navigator.setAppBadge`). */
  app?: boolean;
  nextFrame?: (act: () => void) => () => void;
}

export interface Badge {
  readonly count: number;
  /** `""` for none, `"99+"` beyond `max`. */
  readonly text: string;
  subscribe(subscriber: (count: number, text: string) => void): () => void;
  /** Adds what came while no page was open, where the service does not count by itself. */
  countMissed(): Promise<void>;
  /** Resolves to whether the service could be told, where it counts. */
  markAllRead(): Promise<boolean>;
  /** The manager's: all that follow it forget the user. */
  signOut(): void;
  switchUser(who?: NewUser): void;
  destroy(): void;
}

export declare function createBadge(manager: NotificationConnectionManager<any>, options?: BadgeOptions): Badge;
