// Types that the modules of src/ share. Users import none of them: the public types are in ../notify-sse.d.ts.
import type {
  ConnectionState,
  ManagerOptions,
  NotificationFailure,
  Reset,
  Status,
  TokenReason,
} from "../notify-sse.js";

/** The options of a source: those of a manager, whose `url` is complete; and what is known of the user. */
export type SourceOptions = ManagerOptions & {
  url: string;
  /** Whose notifications these are: no other user's are taken. */
  recipient?: string | null;
  /** For whom the cursor was kept, with which the source starts. */
  cursorOf?: string | null;
  /** The transport that worked the last time, to begin with. */
  first?: string;
};

/** What a transport makes of the raw thing that it received. */
export interface DecodedEvent {
  event: string;
  /** A cursor. Empty for events that have none. */
  id?: string | null;
  data?: any;
}

/** An event that has a cursor. Each frame follows the one before it. */
export interface Frame {
  event: string;
  /** Its cursor. */
  id: string;
  /** The cursor of the frame before it. */
  prev?: string | null;
  data?: any;
}

export type ResetData = Omit<Reset, "items">;

/** Why a stream ended, or why it never began. Ends are values, not errors: they are part of normal work. */
export interface End {
  reason: string;
  /** The HTTP status, when the service refused. */
  status?: number;
  /** How long the service asks to wait, in ms. */
  retryMs?: number;
  /** The service's own code and words, or ours. */
  code?: string;
  detail?: string;
  /** What `getToken` threw. */
  cause?: unknown;
  /** Streams are not enabled for this user yet: the history is to be asked so often, in s. */
  pollAfterS?: number;
}

/** What was found out of an end by asking. */
export interface Cause extends Partial<Omit<End, "retryMs">> {
  /** Whether the transport is to blame. */
  atFault: boolean;
  /** It will never work here: it is not tried again. */
  isHopeless?: boolean;
  /** No answer came to any question. */
  isUnreached?: boolean;
  /** Where the service stood when it answered, and whose notifications it would give. */
  cursor?: string;
  recipient?: string;
}

/** What a transport needs to open a stream. */
export interface StreamRequest {
  base: string;
  topics?: readonly string[];
  withCredentials?: boolean;
  token?: string | null;
  /** Whether the token goes in the URL. */
  isTokenInQuery?: boolean;
  /** Ask the history so often, in s, and whether streams are enabled now; else each answer is waited for. */
  pollAfterS?: number;
  cursor: string | null;
  freshToken(reason: TokenReason): Promise<string | null | undefined>;
}

/** What a transport tells the stream that it carries. */
export interface StreamEnd {
  /** Set once the service has accepted the request. An end that comes later is no refusal. */
  accepted: boolean;
  /** Brings a new token to the stream as it is open; a transport sets it that can. Otherwise a second stream takes over. */
  renew?: () => Promise<void>;
  receive(raw: any): void;
  end(end: End): void;
}

/** A module of transports/. */
export interface Transport {
  /** Opens a stream. Returns the function that closes it. */
  open(request: StreamRequest, stream: StreamEnd): () => void;
  decode(raw: any): DecodedEvent;
}

/** Whom a source tells what happens. */
export interface Sink {
  state(state: Partial<ConnectionState>): void;
  frame(frame: Frame): void;
  reset(reset: ResetData): void;
}

/** The sink of a way to share a stream. `gone` is called when that way does not work, or works no more. */
export interface ShareSink extends Sink {
  gone(): void;
}

/** Where a manager's notifications come from: a connection of its own, or one that tabs share. */
export interface Source {
  start(cursor: string | null): void;
  stop(status?: Status): void;
  /** The page was shown, or (`changed`) the network is another one. */
  wake(changed: boolean): void;
  offline(): void;
  retryNow(): void;
}

/** The state of a connection, as the policy keeps it. */
export interface PolicyState {
  status: Status;
  /** Failures in a row. */
  attempt: number;
  /** Which transport is used: 0 is the best one. */
  level: number;
  /** Failures in a row that were the transport's own fault. */
  faults: number;
  /** Refused tokens in a row. */
  refusals: number;
  /** Failures in a row in which nothing answered. */
  unreached: number;
  /** So often the history is asked, in s, until streams are enabled for this user; 0 otherwise. */
  pollAfterS: number;
  /** The best transport has worked: when it does not now, the service is away. */
  works: boolean;
  /** When to try again; null while trying, and when only a person can help. */
  delayMs: number | null;
  reason: string | null;
  /** What the last failure was. */
  error: NotificationFailure | null;
}

/** The options by which it is decided what is done when. */
export interface Rules extends Required<Pick<ManagerOptions, RuleName>> {
  /** How many transports there are. */
  levels: number;
}
type RuleName =
  | "maxAttempts"
  | "baseMs"
  | "maxMs"
  | "fallbackAfter"
  | "failedRetryMs"
  | "connectTimeoutMs"
  | "upgradeAfterMs"
  | "random";

/** What happened to a connection. */
export type Fact =
  | { kind: "try"; reason?: string }
  | { kind: "up"; level: number }
  | ({ kind: "down" } & Down)
  | { kind: "refused"; end: End }
  | { kind: "crowded" }
  | { kind: "again"; retryMs?: number }
  | { kind: "offline" }
  | { kind: "retry" }
  | { kind: "stop"; status: Status };

/** A stream ended, or never began. */
export interface Down {
  end: End;
  livedMs: number;
  /** Whether the transport is to blame. */
  atFault: boolean;
  isHopeless?: boolean;
  isUnreached?: boolean;
  online: boolean;
}
