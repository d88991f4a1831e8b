// Everything that comes from a case is written with textContent: it is data, never markup.
"use strict";
const who = document.getElementById("who");
const said = document.getElementById("said");
const list = document.getElementById("waiting");

function ask(path, options = {}) {
  const headers = { "Content-Type": "application/json" };
  if (who.token.value) headers.Authorization = `Bearer ${who.token.value}`;
  return fetch(path, { ...options, headers });
}

async function reason(answer) {
  if (answer.status === 401) document.getElementById("token-field").hidden = false;
  try { return (await answer.json()).detail; } catch { return `the service answered ${answer.status}`; }
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

// A picture, or a recording, or else a file to look at elsewhere: the browser says which it can show.
async function file(decision, column, parent) {
  const frame = element("figure", undefined, parent);
  const answer = await ask(`approvals/${decision}/${column}`);
  if (!answer.ok) return;
  const place = URL.createObjectURL(await answer.blob());
  const image = element("img", undefined, frame);
  image.alt = `${column} of this case`;
  image.onerror = () => {
    const audio = document.createElement("audio");
    audio.controls = true;
    audio.onerror = () => {
      const link = document.createElement("a");
      link.textContent = `${column} of this case, as a file`;
      link.download = `${decision}-${column}`;
      link.href = place;
      audio.replaceWith(link);
    };
    audio.src = place;
    image.replaceWith(audio);
  };
  image.src = place;
}

function show(waiting, unit) {
  const card = element("article", undefined, list);
  element("h2", `Recommended: ${waiting.recommendation}`, card);
  for (const column of waiting.media) file(waiting.decision, column, card);
  const facts = element("dl", undefined, card);
  const fact = (name, value) => { element("dt", name, facts); element("dd", value, facts); };
  for (const [name, value] of Object.entries(waiting.columns)) {
    if (!waiting.media.includes(name)) fact(name, value === null ? "not known" : String(value));
  }
  if (waiting.value !== null) fact("expected value", `${Number(waiting.value.toPrecision(4))} ${unit}`);
  fact("because", waiting.reasons.join("; "));
  fact("asked", new Date(waiting.time).toLocaleString());
  const form = element("form", undefined, card);
  const label = element("label", "What is done ", form);
  const choice = element("select", undefined, label);
  for (const setting of waiting.settings) element("option", setting, choice).value = setting;
  choice.value = waiting.recommendation;
  element("button", "Approve", form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = { cases: [{ decision: waiting.decision, setting: choice.value, by: who.by.value }] };
    const answer = await ask("approvals", { method: "POST", body: JSON.stringify(body) });
    if (answer.ok) {
      card.remove();
      said.textContent = `Approved: ${choice.value}. ${list.children.length} still shown.`;
      if (!list.children.length) refresh();
    } else {
      said.textContent = `Not approved: ${await reason(answer)}`;
    }
  });
}

async function refresh() {
  const answer = await ask("approvals/waiting");
  if (!answer.ok) { said.textContent = `Nothing can be shown: ${await reason(answer)}`; return; }
  const found = await answer.json();
  list.replaceChildren();
  for (const waiting of found.results) show(waiting, found.unit);
  document.getElementById("scope").textContent = found.scope
    ? `Approve only inside the scope: ${found.scope}.` : "";
  said.textContent = found.results.length ? `${found.total} waiting, the oldest first.` : "Nothing waits.";
}

who.addEventListener("submit", (event) => { event.preventDefault(); refresh(); });
