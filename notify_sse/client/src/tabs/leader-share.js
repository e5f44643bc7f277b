// One connection for all tabs, in the tab that holds a Web Lock. The others hear of it on a BroadcastChannel. When that tab
// dies the browser gives the lock to the next one, which goes on from its own cursor.
import { Host } from "./host.js";
import { Member } from "./member.js";
import * as messages from "./messages.js";

/** @import { ShareSink, Source, SourceOptions } from "../types.js" */
/** @import { FromHost, FromTab, Message } from "./messages.js" */

/** @implements {Source} */
export class LeaderShare {
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /**
   * There while this tab leads.
   *
   * @type {Host | null}
   */
  #host = null;
  /**
   * Ends the wait for the lock.
   *
   * @type {AbortController | null}
   */
  #waiting = null;
  /**
   * Gives the lock back.
   *
   * @type {(() => void) | null}
   */
  #releaseLock = null;
  /** The browser said that there is no network: a host that begins now is told so. */
  #isOffline = false;
  #name;
  #options;
  #sink;
  #member;

  /**
   * @param {string} name of the lock and of the channel
   * @param {SourceOptions} options
   * @param {ShareSink} sink
   */
  constructor(name, options, sink) {
    this.#name = name;
    this.#options = options;
    this.#sink = sink;
    const memberSink = {
      ...sink,
      /** @type {ShareSink["state"]} */
      state: (state) => sink.state({ ...state, shared: this.#host ? "leader" : "follower" }),
    };
    this.#member = new Member(options, memberSink, {
      say: (message) => this.#say(message),
      lost: () => this.#takeOver(),
    });
  }

  /** @param {string | null} cursor */
  start(cursor) {
    if (this.#channel) return;
    if (!globalThis.navigator?.locks || !globalThis.BroadcastChannel) {
      this.#sink.gone();
      return;
    }
    this.#member.start(cursor);
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = (event) => this.#onMessage(event);
    this.#waitForLock();
    this.#say(messages.hello());
  }

  /** @param {"closed" | "paused"} [status] */
  stop(status = "closed") {
    this.#leave();
    this.#sink.state({ status });
  }

  /** @param {boolean} changed */
  wake(changed) {
    if (changed) this.#isOffline = false;
    this.#say(messages.hello()); // it may have missed something while it slept
    this.#say(messages.wake(changed));
  }

  offline() {
    this.#isOffline = true;
    this.#say(messages.offline());
  }

  retryNow() {
    this.#say(messages.retry());
  }

  /**
   * The host may be this tab's own.
   *
   * @param {FromTab} message
   */
  #say(message) {
    if (this.#host) this.#host.hear(message, (reply) => this.#member.hear({ data: reply }));
    else this.#channel?.postMessage(message);
  }

  /** @param {MessageEvent<Message>} event */
  #onMessage(event) {
    if (!this.#host) {
      this.#member.hear(event);
    } else if (messages.isFromTab(event.data)) {
      this.#host.hear(event.data, (reply) => this.#channel?.postMessage(reply));
    }
  }

  /** The leader answers no more: this tab takes the lock away from it. */
  #takeOver() {
    if (!this.#host) this.#waitForLock({ steal: true });
  }

  /**
   * Waits for the lock, for as long as it takes. With `steal` it takes the lock away from the tab that holds it.
   *
   * @param {{ steal?: boolean }} [options]
   */
  async #waitForLock({ steal = false } = {}) {
    this.#waiting?.abort();
    const waiting = new AbortController();
    this.#waiting = waiting;
    try {
      const options = steal ? { steal } : { signal: waiting.signal };
      await navigator.locks.request(this.#name, options, () => this.#lead(waiting.signal));
    } catch (error) {
      if (waiting.signal.aborted || !this.#channel) return;
      if (!(error instanceof DOMException && error.name === "AbortError")) {
        this.#giveUp(); // locks are forbidden here, as where site data is blocked
        return;
      }
      // Another tab took the lock away: follow it, and wait for the lock again.
      this.#stepDown();
      this.#waitForLock();
      this.#say(messages.hello());
    }
  }

  /**
   * Leads until the promise that it returns is resolved: for so long this tab has the lock.
   *
   * @param {AbortSignal} left
   * @returns {Promise<void> | undefined}
   */
  #lead(left) {
    const channel = this.#channel;
    if (left.aborted || !channel) return undefined;
    const held = new Promise((/** @type {(value: void) => void} */ resolve) => {
      this.#releaseLock = resolve;
    });
    this.#host = new Host(this.#options, (message) => this.#tellAll(message));
    this.#host.start(this.#member.cursor);
    if (this.#isOffline) this.offline();
    channel.postMessage(this.#host.welcome);
    return held;
  }

  /** @param {FromHost} message */
  #tellAll(message) {
    this.#channel?.postMessage(message);
    this.#member.hear({ data: message });
  }

  #giveUp() {
    this.#leave();
    this.#sink.gone();
  }

  #leave() {
    this.#member.stop();
    this.#stepDown();
    this.#waiting?.abort();
    this.#channel?.close();
    this.#channel = null;
  }

  #stepDown() {
    const host = this.#host;
    this.#host = null;
    host?.stop();
    this.#releaseLock?.();
  }
}
