// The page without a network: its own files, the contract and the models, as they were last seen.
"use strict";

const CACHE = "device";
const PAGE = [
  "./", "app.js", "style.css", "device.js", "pixels.js", "queue.js", "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm",
];
const ALSO = ["openapi.json", "contract.json"];
const SECONDS = 4;

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(PAGE)).then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

const scope = new URL("./", self.location.href).href;
const kept = [...PAGE, ...ALSO].map((path) => new URL(path, scope).href);

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  if (/^\?[0-9a-f]{64}$/.test(url.search)) event.respondWith(once(request)); // named by its hash: it never changes
  else if (kept.includes(url.href)) event.respondWith(newest(request));
});

async function fetched(request) {
  const answer = await fetch(request);
  if (answer.ok) await (await caches.open(CACHE)).put(request.url, answer.clone());
  return answer;
}

async function once(request) {
  return (await caches.match(request.url)) || fetched(request);
}

// A network that does not answer is none.
async function newest(request) {
  const before = await caches.match(request.url);
  if (!before) return fetched(request);
  const late = new Promise((done) => setTimeout(done, 1000 * SECONDS, before));
  const answer = await Promise.race([fetched(request).catch(() => before), late]);
  return answer.status >= 500 ? before : answer;
}
