// Conversations in the browser's own database; nothing of them leaves it but what is sent to be answered.

import { checked, merge } from "./tree.js";

const NAME = "conversations";

/** Ids that were in the database: one that is not there any more was deleted, maybe by another page, and is not put back. */
const seen = new Set();

/** Tells the browser's other pages of this server which conversation to read again. */
let others = null;
try {
  others = new BroadcastChannel("yuzui-conversations");
} catch {
  // what another page does is seen when this one is loaded again
}

let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("yuzui", 1);
    request.onupgradeneeded = () => request.result.createObjectStore(NAME, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function run(mode, work) {
  const db = await open();
  return new Promise((resolve, reject) => {
    const transaction = db.transaction(NAME, mode);
    const request = work(transaction.objectStore(NAME));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export async function all() {
  const found = await run("readonly", (records) => records.getAll());
  for (const { id } of found) seen.add(id);
  return found;
}

/** One as it is there now, or undefined. */
export async function read(id) {
  const found = await run("readonly", (records) => records.get(id));
  if (found) seen.add(id);
  return found;
}

/** Stores one, and takes into it what another page has stored of it meanwhile. */
export async function put(conversation) {
  const { id } = conversation;
  await run("readwrite", (records) => {
    const before = records.get(id);
    before.onsuccess = () => {
      if (before.result) merge(conversation, before.result);
      if (before.result || !seen.has(id)) records.put(conversation);
    };
    return before;
  });
  seen.add(id);
  others?.postMessage(id);
}

export async function remove(id) {
  await run("readwrite", (records) => records.delete(id));
  others?.postMessage(id);
}

/** @param told is called with the id of what another page has stored or deleted */
export function listen(told) {
  others?.addEventListener("message", (e) => told(e.data));
}

export const exported = (conversations) => JSON.stringify({ format: "yuzui-conversations", conversations }, null, 1);

/** Those of a file, each under a name of its own, so that none that is here is overwritten. */
export function imported(text) {
  let file;
  try {
    file = JSON.parse(text);
  } catch {
    throw new Error("the file is no JSON");
  }
  if (file?.format !== "yuzui-conversations" || !Array.isArray(file.conversations)) {
    throw new Error('expected {"format": "yuzui-conversations", "conversations": [...]}');
  }
  return file.conversations.map(checked);
}
