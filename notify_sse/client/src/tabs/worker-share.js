// One connection for all tabs, in a SharedWorker.
import { Member } from "./member.js";

const WELCOME_MS = 3000;

export class WorkerShare {
  #worker;
  #port;
  #timer;

  constructor(name, options, sink) {
    const tell = (state) => sink.state({ ...state, shared: "worker" });
    const link = {
      say: (message) => this.#port?.postMessage(message),
      lost: () => this.#lost(),
      wanted: (request) => this.#bringToken(request),
    };
    Object.assign(this, { name, options, sink, member: new Member(options, { ...sink, state: tell }, link) });
  }

  start(cursor) {
    if (this.#port) return;
    this.member.start(cursor);
    try {
      this.#worker = new SharedWorker(new URL("./worker.js", import.meta.url), { type: "module", name: this.name });
      this.#worker.onerror = () => this.#lost();
      this.#port = this.#worker.port;
    } catch {
      return this.#lost(); // another origin, a policy, or a browser without
    }
    this.#port.onmessage = (event) => (clearTimeout(this.#timer), this.member.hear(event));
    this.#timer = setTimeout(() => this.#lost(), WELCOME_MS);
    this.#hello(cursor);
  }

  stop(status = "closed") {
    this.#leave();
    this.sink.state({ status });
  }

  wake(changed) {
    this.#hello(this.member.cursor); // it may have missed something while it slept
    this.member.say({ ask: "wake", value: changed });
  }

  offline() {
    this.member.say({ ask: "offline" });
  }

  retryNow() {
    this.member.say({ ask: "retry" });
  }

  #hello(cursor) {
    const { getToken, random, ...plain } = this.options;
    this.member.say({ ask: "hello", cursor, options: JSON.parse(JSON.stringify(plain)), tokens: Boolean(getToken) });
  }

  async #bringToken({ wanted, reason }) {
    try {
      this.member.say({ ask: "token", wanted, token: await this.options.getToken({ reason }) });
    } catch {
      this.member.say({ ask: "token", wanted, failed: true });
    }
  }

  #leave() {
    clearTimeout(this.#timer);
    this.member.stop();
    this.member.say({ ask: "bye" });
    this.#port?.close();
    if (this.#worker) this.#worker.onerror = null;
    this.#worker = this.#port = null;
  }

  #lost() {
    this.#leave();
    this.sink.gone();
  }
}
