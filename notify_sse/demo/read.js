// The documentation, as its text is written, with links that lead on: there is no site of it where the demo runs.
const LINK = /\[([^\]]+)\]\(([^)\s]+)\)/g;
const FOLDER = new URL("/demo/", location.href);

const page = new URLSearchParams(location.search).get("page") ?? "README.md";
const address = new URL(new URL(page, FOLDER).pathname, FOLDER); // here, whatever the page is called
const $ = (id) => document.getElementById(id);

/** A link of the text: to a page within the reader, to a picture or an address as it is. */
function anchor(words, target) {
  const url = new URL(target, address);
  if (!url.protocol.startsWith("http")) return words;
  const link = document.createElement("a");
  const isPage = url.origin === FOLDER.origin && url.pathname.endsWith(".md");
  link.href = isPage ? `/demo/read.html?page=${url.pathname.slice(FOLDER.pathname.length)}` : url.href;
  link.textContent = words;
  return link;
}

function* linked(text) {
  let at = 0;
  for (const { 0: whole, 1: words, 2: target, index } of text.matchAll(LINK)) {
    yield text.slice(at, index);
    yield anchor(words, target);
    at = index + whole.length;
  }
  yield text.slice(at);
}

$("name").textContent = page;
const answer = await fetch(address);
if (answer.ok) $("text").append(...linked(await answer.text()));
$("text").hidden = !answer.ok;
$("missing").hidden = answer.ok;
