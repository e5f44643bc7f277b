// What sse.js takes of a browser's XMLHttpRequest, on Node's fetch: it tells of each piece of the body as it comes.
export class XMLHttpRequest extends EventTarget {
  static HEADERS_RECEIVED = 2;
  readyState = 0;
  status = 0;
  responseText = "";
  #url = "";
  #headers = {};
  #answered = new Headers();
  #aborter = new AbortController();

  open(_method, url) {
    this.#url = url;
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  getAllResponseHeaders() {
    return [...this.#answered].map(([name, value]) => `${name}: ${value}\r\n`).join("");
  }

  abort() {
    this.#aborter.abort();
    this.dispatchEvent(new Event("abort"));
  }

  async send() {
    try {
      const answer = await fetch(this.#url, { headers: this.#headers, signal: this.#aborter.signal });
      this.#answered = answer.headers;
      this.status = answer.status;
      this.readyState = XMLHttpRequest.HEADERS_RECEIVED;
      this.dispatchEvent(new Event("readystatechange"));
      for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
        this.responseText += piece;
        this.dispatchEvent(new Event("progress"));
      }
      this.dispatchEvent(new Event("load"));
    } catch {
      if (!this.#aborter.signal.aborted) this.dispatchEvent(new Event("error"));
    }
  }
}
