// Keeps the board live: fetches its main part again and again and changes only what differs, so that focus,
// selection and opened tables stay. When that fails the page says so, and since when.
"use strict";

const main = document.getElementById("board");
const text = document.getElementById("connection-text");
const refreshMs = 1000 * Number(main.dataset.refreshS);
const timeoutMs = 8000;
let answeredAt = document.body.dataset.state === "live" ? Date.now() : null;

/** Make `old` like `fresh`, node by node. */
function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

function morphAttributes(old, fresh) {
  const kept = old.dataset.keep; // what the reader may change, such as an opened table
  for (const { name } of [...old.attributes]) {
    if (name !== kept && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== kept && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const before = [...old.childNodes];
  const after = [...fresh.childNodes];
  after.forEach((node, index) => {
    if (index < before.length) morph(before[index], node);
    else old.append(node.cloneNode(true));
  });
  before.slice(after.length).forEach((node) => node.remove());
}

async function refresh() {
  const answer = await fetch(`/board${location.search}`, { signal: AbortSignal.timeout(timeoutMs), cache: "no-store" });
  if (!answer.ok) throw new Error((await answer.json()).error);
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  morph(main.firstElementChild, holder.content.firstElementChild);
  answeredAt = Date.now();
}

function show(state, words) {
  if (document.body.dataset.state !== state) document.body.dataset.state = state;
  if (text.textContent !== words) text.textContent = words;
}

function showLost(reason) {
  const since = answeredAt === null ? "" : ` These numbers are from ${new Date(answeredAt).toLocaleTimeString()}.`;
  show(answeredAt === null ? "away" : "stale", `Not live: ${reason}${since}`);
}

async function turn() {
  if (document.hidden) return; // a hidden page asks again as soon as it is looked at
  try {
    await refresh();
    show("live", "Live");
  } catch (error) {
    showLost(error instanceof TypeError || error.name === "TimeoutError" ? "the server does not answer." : error.message);
  }
}

let timer = 0;

async function run() {
  clearTimeout(timer);
  await turn();
  clearTimeout(timer);
  timer = setTimeout(run, refreshMs);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (answeredAt !== null && Date.now() - answeredAt > 2 * refreshMs) showLost("asking for newer ones.");
  run();
});
timer = setTimeout(run, refreshMs);
