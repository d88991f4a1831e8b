// The page asks the service what a case may carry, builds its form from that, and shows the answer.
// Whatever comes from the service or from a file is written as text, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
const ask = at("ask");
let shape = null;
let decision = "";
let device = null; // the models on this device, where the plan serves `device`
let queue = null;
let judged = null; // the case that the device answered: {columns, levers}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

async function get(path, body) {
  const headers = {};
  if (ask.token.value) headers.Authorization = `Bearer ${ask.token.value}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("The service cannot be reached. Are you online?");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) at("token-field").hidden = false;
  const found = await answer.json().catch(() => ({}));
  const busy = "The service is busy. Try again in a moment.";
  const what = answer.status === 503 ? busy : found.detail || `The service answered ${answer.status}.`;
  throw Object.assign(new Error(what), { status: answer.status });
}

const call = async (path, body) => (await get(path, body)).json();

// ---- the form, from the service's own description ----

const typesOf = (property) => [property.type].flat().filter((type) => type !== "null");

function input(name, property, parent) {
  const types = typesOf(property);
  if (property.contentEncoding === "base64") return media(name, parent);
  const label = element("label", `${name}${property.description ? ` (${property.description})` : ""} `, parent);
  let made;
  if (types[0] === "boolean" || property.enum) {
    made = element("select", undefined, label);
    element("option", "not known", made).value = "";
    for (const value of property.enum || ["true", "false"]) element("option", String(value), made);
  } else if (types[0] === "string" && types.length === 1 && !property.format && property.type === "string") {
    made = element("textarea", undefined, label);
    made.rows = 4;
  } else {
    made = element("input", undefined, label);
    made.type = property.format === "date-time" ? "datetime-local" : "text";
    if (["number", "integer"].includes(types[0])) made.inputMode = "decimal";
    if (property.examples) {
      const known = element("datalist", undefined, label);
      known.id = `known-${name}`;
      for (const value of property.examples) element("option", undefined, known).value = value;
      made.setAttribute("list", known.id);
    }
  }
  made.name = name;
  return made;
}

function media(name, parent) {
  const group = element("fieldset", undefined, parent);
  element("legend", name, group);
  for (const [text, camera] of [["Take a photo or a recording", true], ["Or choose a file", false]]) {
    const label = element("label", `${text} `, group);
    const made = element("input", undefined, label);
    made.type = "file";
    made.accept = "image/*,audio/*";
    made.dataset.media = name;
    if (camera) made.capture = "environment";
    made.addEventListener("change", () => {
      for (const other of group.querySelectorAll("input")) if (other !== made) other.value = "";
    });
  }
}

async function begin() {
  try {
    shape = await call("openapi.json");
  } catch (error) {
    at("said").textContent = error.message;
    return;
  }
  document.title = shape.info.title;
  at("title").textContent = shape.info.title;
  at("summary").textContent = shape.info.description || "";
  const properties = shape.components.schemas.Case.properties;
  const required = shape.components.schemas.Case.required || [];
  const names = Object.keys(properties).sort((a, b) => required.includes(b) - required.includes(a));
  at("fields").replaceChildren();
  for (const name of names) input(name, properties[name], at("fields"));
  at("outcomes").replaceChildren();
  for (const [name, property] of Object.entries(shape.components.schemas.Outcome.properties)) {
    if (name !== "decision") input(name, property, at("outcomes"));
  }
  at("said").textContent = "";
  if (shape["x-device"] && !device) await settle();
}

// ---- on this device, where the plan serves `device` ----

async function settle() {
  try {
    if (!queue) {
      queue = await import("./queue.js");
      window.addEventListener("online", () => send(false));
      setInterval(send, 60_000, false);
    }
    at("device").textContent = "Getting the model onto this device …";
    device = await (await import("./device.js")).open(get);
    const { offline, models } = device.contract;
    const megabytes = models.reduce((sum, model) => sum + model.bytes, 0) / 1e6;
    at("device").textContent = `Answers come from this device (${megabytes.toFixed(1)} MB)${offline ? ", also without a network" : ""}.`;
  } catch (error) {
    at("device").textContent = `The model is not on this device, so the service is asked. ${error.message}`;
  }
  await send(false);
}

// Feedback goes as often as the plan says (`sync`), or when somebody asks for it.
async function send(now) {
  const every = 1000 * (device ? device.contract.sync_seconds : 0);
  const due = now || Date.now() - Number(localStorage.getItem("sent") || 0) >= every;
  let fault = "";
  try {
    if (due && navigator.onLine && (await queue.flush(call))) localStorage.setItem("sent", String(Date.now()));
  } catch (error) {
    fault = ` ${error.message}`;
  }
  const entries = await queue.waiting();
  const refused = entries.filter((entry) => entry.refused);
  at("waiting").hidden = !entries.length;
  const wait = `${entries.length - refused.length} on this device, until there is a network.${fault}`;
  at("queued").textContent = refused.length ? `${wait} Refused: ${refused.length} (${refused[0].refused})` : wait;
}

at("sync").addEventListener("click", () => send(true));

// What the device says of a form; null where it cannot say it: another column is there, or no picture.
async function here(found) {
  const file = [...ask.elements].find((made) => made.dataset.media && made.files.length);
  if (!device || !file || Object.keys(found).length > 1) return null;
  const answer = await device.judge(file.files[0]);
  const slow = device.contract.max_ms;
  at("pace").textContent = `Answered on this device in ${answer.milliseconds.toFixed(0)} ms.` +
    (slow && answer.milliseconds > slow ? ` The plan allows ${slow}: this device is too slow for it.` : "");
  const held = device.contract.decide ? await heldBack() : `the decision needs the service: ${device.contract.no_decision}`;
  if (held) {
    answer.setting = "defer";
    answer.reasons.unshift(held);
  }
  const acts = device.contract.stage === "wide" && answer.setting !== "defer";
  judged = { columns: found, levers: acts ? answer.levers : {} };
  return answer;
}

// Why the device may only recommend: the plan's stage, or what people last set on the service.
async function heldBack() {
  const { stage } = device.contract;
  if (stage === "parallel") return "stage parallel: today's way goes on";
  if (stage === "limited") return "stage limited: a person approves every action";
  if (stage !== "wide") return "";
  try {
    localStorage.setItem("standing", JSON.stringify(await call("readyz")));
  } catch {
    // Without a network, what was last seen holds.
  }
  const { paused, share } = JSON.parse(localStorage.getItem("standing") || "{}");
  if (paused) return `paused: ${paused}`;
  return share === 1 ? "" : "stage wide acts on a share of the cases, and the service draws it";
}

// ---- one case ----

function bytesAsBase64(file) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => failed(new Error(`${file.name} cannot be read.`));
    reader.readAsDataURL(file);
  });
}

function typed(value, property) {
  const types = typesOf(property);
  if (types[0] === "boolean") return value === "true";
  if (["number", "integer"].includes(types[0])) {
    const number = Number(value.replace(",", "."));
    return Number.isNaN(number) ? value : number;
  }
  if (types[0] === "array") return value.split(",").map((part) => part.trim()).filter(Boolean);
  return value;
}

async function read(form, properties) {
  const found = {};
  for (const made of form.elements) {
    if (made.dataset.media && made.files.length) {
      found[made.dataset.media] = await bytesAsBase64(made.files[0]);
    } else if (properties[made.name] && made.value.trim()) {
      found[made.name] = typed(made.value.trim(), properties[made.name]);
    }
  }
  return found;
}

function showPicture(form) {
  const chosen = [...form.elements].find((made) => made.dataset.media && made.files.length);
  const isImage = chosen && chosen.files[0].type.startsWith("image/");
  at("picture").hidden = !isImage;
  if (isImage) at("picture").src = URL.createObjectURL(chosen.files[0]);
}

function showExpected(name, found, parent) {
  if (found.probabilities) {
    const ranked = found.classes.map((label, n) => [found.probabilities[n], label]).sort((a, b) => b[0] - a[0]);
    for (const [share, label] of ranked.slice(0, 5)) {
      const row = element("div", undefined, parent);
      row.className = "share";
      element("span", `${name}: ${label}`, row);
      element("span", `${(100 * share).toFixed(1)} %`, row);
      const meter = element("meter", undefined, row);
      meter.value = share;
      meter.setAttribute("aria-label", `${name}: ${label}`);
    }
  } else if (found.mean !== undefined) {
    const range = `${found.low.toPrecision(4)} to ${found.high.toPrecision(4)}`;
    element("p", `${name}: ${found.mean.toPrecision(4)}, nine times in ten from ${range}`, parent);
  } else {
    element("p", `${name}: ${JSON.stringify(found)}`, parent);
  }
}

function show(answer) {
  decision = answer.decision;
  const person = answer.setting === "defer";
  at("answer").hidden = false;
  at("answer").classList.toggle("person", person);
  at("decision").textContent = person ? "Ask a person" : `Decision: ${answer.setting}`;
  const advice = answer.recommendation === null ? "There is no recommendation." : `Recommended: ${answer.recommendation}.`;
  at("worth").textContent = person ? advice : answer.value === null ? "" : `Expected value: ${answer.value.toPrecision(4)}`;
  at("reasons").replaceChildren();
  for (const reason of answer.reasons) element("li", reason, at("reasons"));
  if (answer.synthetic) element("li", "The model learned from sample data: this says nothing about the world.", at("reasons"));
  at("expected").replaceChildren();
  for (const [name, found] of Object.entries(answer.predictions)) showExpected(name, found, at("expected"));
  at("told").textContent = "";
  at("decision").focus();
}

ask.addEventListener("submit", async (event) => {
  event.preventDefault();
  at("answer").hidden = true;
  at("said").textContent = "Asking …";
  at("send").disabled = true;
  try {
    if (!shape) await begin();
    if (!shape) return;
    const found = await read(ask, shape.components.schemas.Case.properties);
    judged = null;
    at("pace").textContent = "";
    const answer = (await here(found)) || (await call("decide", { cases: [found] })).results[0];
    at("said").textContent = "";
    showPicture(ask);
    show(answer);
  } catch (error) {
    at("said").textContent = error.message;
  } finally {
    at("send").disabled = false;
  }
});

at("tell").addEventListener("submit", async (event) => {
  event.preventDefault();
  const told = await read(at("tell"), shape.components.schemas.Outcome.properties);
  if (!Object.keys(told).length) {
    at("told").textContent = "Choose or write what happened first.";
    return;
  }
  try {
    if (judged) {
      await queue.add(judged.columns, { ...judged.levers, ...told });
      at("told").textContent = "Thank you: it is kept on this device, and sent when there is a network.";
      await send(false);
      return;
    }
    await call("feedback", { cases: [{ decision, ...told }] });
    at("told").textContent = "Thank you: it is recorded.";
  } catch (error) {
    at("told").textContent = error.message;
  }
});

begin();
