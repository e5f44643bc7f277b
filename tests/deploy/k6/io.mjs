// The second thread of a virtual user: does its requests, and rings the bell after each answer.
import { workerData } from "node:worker_threads";

const { port, bell } = workerData;
let stream;

function say(message) {
  port.postMessage(message);
  Atomics.add(bell, 0, 1);
  Atomics.notify(bell, 0);
}

async function ask({ method, url, headers, body }) {
  try {
    const answer = await fetch(url, { method, headers, body });
    say({ status: answer.status, body: await answer.text() });
  } catch (error) {
    say({ status: 0, body: "", error: String(error) });
  }
}

function parsed(block) {
  const event = { id: "", name: "", data: "" };
  const data = [];
  for (const line of block.split("\n")) {
    const [field, value] = [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).replace(/^ /, "")];
    if (field === "data") data.push(value);
    else if (field === "event") event.name = value;
    else if (field === "id") event.id = value;
  }
  return { ...event, data: data.join("\n") };
}

async function listen({ url, headers }) {
  stream = new AbortController();
  try {
    const answer = await fetch(url, { headers: { Accept: "text/event-stream", ...headers }, signal: stream.signal });
    say({ kind: "opened", name: "open", status: answer.status });
    let text = "";
    for await (const part of answer.body.pipeThrough(new TextDecoderStream())) {
      const blocks = (text + part).split("\n\n");
      text = blocks.pop();
      for (const block of blocks) if (block.includes("data:")) say({ name: "event", value: parsed(block) });
    }
  } catch (error) {
    if (!stream.signal.aborted) say({ name: "error", value: { why: String(error) } });
  }
  say({ kind: "ended" });
}

port.on("message", (message) => {
  if (message.kind === "http") ask(message);
  else if (message.kind === "sse") listen(message);
  else if (message.kind === "close") stream.abort();
});
