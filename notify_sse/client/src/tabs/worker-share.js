// One connection for all tabs, in a SharedWorker.
import { Member } from "./member.js";
import * as messages from "./messages.js";

/** @import { ShareSink, Source, SourceOptions } from "../types.js" */
/** @import { FromTab, NeedToken } from "./messages.js" */

const WELCOME_MS = 3000;

/** @implements {Source} */
export class WorkerShare {
  /** @type {SharedWorker | null} */
  #worker = null;
  /**
   * Rings when the worker does not answer.
   *
   * @type {ReturnType<typeof setTimeout> | undefined}
   */
  #welcomeTimer;
  #name;
  #options;
  #sink;
  #member;

  /**
   * @param {string} name of the worker
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
      state: (state) => sink.state({ ...state, shared: "worker" }),
    };
    this.#member = new Member(options, memberSink, {
      say: (message) => this.#say(message),
      lost: () => this.#giveUp(),
      needToken: (message) => this.#bringToken(message),
    });
  }

  /** @param {string | null} cursor */
  start(cursor) {
    if (this.#worker) return;
    this.#member.start(cursor);
    try {
      this.#worker = openWorker(this.#name, this.#options.workerUrl);
    } catch {
      this.#giveUp(); // another origin, a policy, or a browser without workers
      return;
    }
    this.#worker.onerror = () => this.#giveUp();
    this.#worker.port.onmessage = (event) => {
      clearTimeout(this.#welcomeTimer);
      this.#member.hear(event);
    };
    this.#welcomeTimer = setTimeout(() => this.#giveUp(), WELCOME_MS);
    this.#hello(cursor);
  }

  /** @param {"closed" | "paused"} [status] */
  stop(status = "closed") {
    this.#leave();
    this.#sink.state({ status });
  }

  /** @param {boolean} changed */
  wake(changed) {
    this.#hello(this.#member.cursor); // it may have missed something while it slept
    this.#say(messages.wake(changed));
  }

  offline() {
    this.#say(messages.offline());
  }

  retryNow() {
    this.#say(messages.retry());
  }

  /** @param {FromTab} message */
  #say(message) {
    this.#worker?.port.postMessage(message);
  }

  /** @param {string | null} cursor */
  #hello(cursor) {
    // Functions cannot be sent. The worker asks the tabs for tokens.
    const { getToken, random, ...plain } = this.#options;
    const options = JSON.parse(JSON.stringify(plain));
    this.#say(messages.hello({ cursor, options, hasToken: Boolean(getToken) }));
  }

  /** @param {NeedToken} message */
  async #bringToken({ request, reason }) {
    try {
      const token = await this.#options.getToken?.({ reason });
      this.#say(messages.token(request, token));
    } catch (cause) {
      this.#say(messages.noToken(request, cause));
    }
  }

  #leave() {
    clearTimeout(this.#welcomeTimer);
    this.#member.stop();
    this.#say(messages.bye());
    if (!this.#worker) return;
    this.#worker.port.close();
    this.#worker.onerror = null;
    this.#worker = null;
  }

  #giveUp() {
    this.#leave();
    this.#sink.gone();
  }
}

/**
 * Bundlers know the expression with `new URL(…, import.meta.url)`, and carry the worker along. For those that do not, there is
 * the option `workerUrl`.
 *
 * @param {string} name
 * @param {string | URL | undefined} url
 */
function openWorker(name, url) {
  if (url) return new SharedWorker(url, { name });
  return new SharedWorker(new URL("../../notify-sse-worker.js", import.meta.url), { name });
}
