// The models on this device: contract.json says what to do, so that the answer is the service's. docs/device.md explains it.
import { decode, prepare } from "./pixels.js";

const CACHE = "device";

/** Keep the page for when there is no network: from here on worker.js stands between it and the network. */
async function keep() {
  if (!("serviceWorker" in navigator)) throw new Error("This browser cannot keep pages: they need HTTPS, or this machine.");
  await navigator.serviceWorker.register("worker.js");
  await navigator.serviceWorker.ready;
  if (!navigator.serviceWorker.controller) {
    await new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", done, { once: true }));
  }
}

async function sha256(bytes) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * The device's models, ready to judge.
 *
 * @param get (path) => Response; adds the token, and throws in words.
 */
export async function open(get) {
  const contract = await (await get("contract.json")).json();
  if (contract.format !== 1) throw new Error("contract.json is of another version than this page: run `make device` again.");
  if (contract.offline) {
    await keep();
    await Promise.all(["./", "openapi.json", "contract.json"].map((path) => get(path)));
  }
  const ort = await import("./ort.wasm.bundle.min.mjs");
  ort.env.wasm.wasmPaths = { wasm: new URL("ort-wasm-simd-threaded.wasm", import.meta.url).href };
  ort.env.wasm.numThreads = 1;
  const models = [];
  for (const entry of contract.models) {
    const bytes = await (await get(`${entry.file}?${entry.sha256}`)).arrayBuffer();
    if ((await sha256(bytes)) !== entry.sha256) throw new Error(`${entry.file} is not the model of contract.json.`);
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    models.push({ entry, session });
  }
  if (contract.offline) await forget(contract.models.map((entry) => entry.sha256));
  return { contract, judge: (file) => judge(ort, contract, models, file) };
}

// Models of earlier contracts.
async function forget(current) {
  const cache = await caches.open(CACHE);
  for (const request of await cache.keys()) {
    const { search } = new URL(request.url);
    if (search && !current.includes(search.slice(1))) await cache.delete(request);
  }
}

/** What the models expect of one picture: an answer shaped like the service's, and the milliseconds it took. */
async function judge(ort, contract, models, file) {
  const begun = performance.now();
  const predictions = {};
  const reasons = [];
  for (const { entry, session } of models) {
    const settings = entry.preprocessing;
    const pixels = await decode(file, Boolean(settings.copy), contract.pixels);
    const numbers = prepare(pixels, settings, contract.tall_first);
    const image = new ort.Tensor("float32", numbers, [1, settings.channels, ...settings.size]);
    const { logits } = await session.run({ image }, ["logits"]);
    const outputs = [...logits.data];
    if (!(strangeness(entry, outputs) <= entry.out_of_domain.threshold)) {
      reasons.push(`unlike the cases that ${entry.name} was trained on`);
    }
    let start = 0;
    for (const name of entry.predicts) {
      const outcome = entry.outcomes[name];
      const stop = start + outcome.classes.length;
      predictions[name] = distribution(outcome, outputs.slice(start, stop));
      start = stop;
    }
  }
  const milliseconds = performance.now() - begun;
  return { ...decided(contract.decide, predictions, reasons), predictions, milliseconds,
    synthetic: contract.models.some((entry) => entry.synthetic) };
}

// ---- outputs to probabilities, as drivetrain.artifact has it ----

function softmax(logits) {
  const top = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

function interpolated(at, xs, ys) {
  if (at <= xs[0]) return ys[0];
  const above = xs.findIndex((x) => x > at);
  if (above < 0) return ys[ys.length - 1];
  const share = (at - xs[above - 1]) / (xs[above] - xs[above - 1]);
  return ys[above - 1] + share * (ys[above] - ys[above - 1]);
}

function distribution(outcome, logits) {
  let probabilities = outcome.type === "labels" ? logits.map((logit) => 1 / (1 + Math.exp(-logit))) : softmax(logits);
  if (outcome.isotonic && outcome.type !== "labels") {
    const through = probabilities.map((said, n) => interpolated(said, outcome.isotonic[n].said, outcome.isotonic[n].seen));
    const sum = through.reduce((total, one) => total + one, 0);
    if (sum > 0) probabilities = through.map((one) => one / sum);
  }
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  return { classes: outcome.classes, probabilities, most_likely: outcome.classes[likeliest] };
}

function strangeness(entry, outputs) {
  if (entry.out_of_domain.score !== "energy") return outputs[outputs.length - 1]; // the network measures the distance itself
  const logits = outputs.slice(0, entry.outcomes[entry.predicts[0]].classes.length);
  const top = Math.max(...logits);
  return -entry.temperature * (top + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - top), 0)));
}

// ---- probabilities to a decision: the written policy as a table ----

const TIE = 1e-9;

// The probability of every combination of classes, the last outcome turning fastest.
function states(table, predictions) {
  let found = [1];
  for (const [n, name] of table.outcomes.entries()) {
    const { classes, probabilities } = predictions[name];
    const ordered = table.classes[n].map((label) => probabilities[classes.indexOf(label)] ?? 0);
    found = found.flatMap((weight) => ordered.map((share) => weight * share));
  }
  return found;
}

const expected = (rows, weights) => rows.map((row) => row.reduce((sum, worth, n) => sum + worth * weights[n], 0));

function decided(table, predictions, reasons) {
  const deferred = { setting: "defer", recommendation: table ? table.fallback : null, value: null, reasons };
  if (!table || reasons.length) return deferred;
  const weights = states(table, predictions);
  const values = expected(table.values, weights);
  const priced = table.priced.map(({ price, uses }) => ({ price, uses: expected(uses, weights) }));
  const scores = values.map((value, k) =>
    table.allowed[k] ? priced.reduce((score, { price, uses }) => score - price * uses[k], value) : -Infinity);
  const top = Math.max(...scores);
  if (top === -Infinity) return { ...deferred, reasons: ["the limits allow no setting"] };
  const spreads = priced.map(({ uses }) => Math.max(...uses.map(Math.abs)) || 1);
  const burden = (k) => Number(priced.reduce((sum, { uses }, n) => sum + uses[k] / spreads[n], 0).toFixed(9));
  // Ties go to the lesser use of priced constraints, then to the first in the plan.
  const tied = [...scores.keys()].filter((k) => scores[k] >= top - TIE * (1 + Math.abs(top)));
  const best = tied.reduce((first, k) => (burden(k) < burden(first) ? k : first));
  return { setting: table.settings[best], levers: table.levers[best], recommendation: table.settings[best], value: values[best],
    reasons: [] };
}
