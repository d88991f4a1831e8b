// The page asks the service what a case may carry, builds its form from that, and shows the answer.
// Whatever comes from the service or from a file is written as text, never as markup.
"use strict";

const at = (id) => document.getElementById(id);
const ask = at("ask");
let shape = null;
let decision = "";

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

async function call(path, body) {
  const headers = {};
  if (ask.token.value) headers.Authorization = `Bearer ${ask.token.value}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("The service cannot be reached. Are you online?");
  }
  if (answer.status === 401) at("token-field").hidden = false;
  if (answer.status === 503) throw new Error("The service is busy. Try again in a moment.");
  const found = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(found.detail || `The service answered ${answer.status}.`);
  return found;
}

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
    const { results } = await call("decide", { cases: [found] });
    at("said").textContent = "";
    showPicture(ask);
    show(results[0]);
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
    await call("feedback", { cases: [{ decision, ...told }] });
    at("told").textContent = "Thank you: it is recorded.";
  } catch (error) {
    at("told").textContent = error.message;
  }
});

begin();
