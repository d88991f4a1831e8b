// What came of cases, kept on this device until there is a network: a case is then decided once more by the service, which
// writes it into its log, and what was really done and what came of it is told under the name of that decision.

function opened() {
  return new Promise((done, failed) => {
    const asked = indexedDB.open("feedback", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("waiting", { keyPath: "id", autoIncrement: true });
    asked.onsuccess = () => done(asked.result);
    asked.onerror = () => failed(new Error("This browser keeps nothing: what you tell would be lost without a network."));
  });
}

async function store(mode, work) {
  const database = await opened();
  try {
    return await new Promise((done, failed) => {
      const transaction = database.transaction("waiting", mode);
      const asked = work(transaction.objectStore("waiting"));
      transaction.oncomplete = () => done(asked.result);
      transaction.onabort = () => failed(new Error("This device has no room left for what you told."));
    });
  } finally {
    database.close();
  }
}

/** Entries that wait: {id, entry: {case, told, decision, refused}}. */
export const waiting = () => store("readonly", (entries) => entries.getAll());

/** Keep a case ({column: value}) with what was told of it; it is on disk when this resolves. */
export const add = (one, told) => store("readwrite", (entries) => entries.add({ case: one, told, decision: "", refused: "" }));

let running = null;

/**
 * Send what waits, oldest first, and stop at the first fault of the network.
 *
 * @param post (path, body) => answer; throws an error with `status` where the service refused.
 * @returns How many arrived.
 */
export function flush(post) {
  running ??= send(post).finally(() => {
    running = null;
  });
  return running;
}

async function send(post) {
  let arrived = 0;
  for (const entry of await waiting()) {
    if (entry.refused) continue;
    try {
      if (!entry.decision) {
        const { results } = await post("decide", { cases: [entry.case] });
        entry.decision = results[0].decision;
        await store("readwrite", (entries) => entries.put(entry)); // an interrupted feedback is not decided again
      }
      await post("feedback", { cases: [{ decision: entry.decision, ...entry.told }] });
      await store("readwrite", (entries) => entries.delete(entry.id));
      arrived += 1;
    } catch (error) {
      if (![400, 404, 409, 413, 415, 422].includes(error.status)) throw error;
      entry.refused = error.message; // it would be refused again; it stays, so that nothing is lost unseen
      await store("readwrite", (entries) => entries.put(entry));
    }
  }
  return arrived;
}
