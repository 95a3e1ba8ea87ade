// Conversations in the browser's own database; nothing of them leaves it but what is sent to be answered.

import { checked } from "./tree.js";

const NAME = "conversations";
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

/** All, the latest first. */
export async function all() {
  const found = await run("readonly", (store) => store.getAll());
  return found.sort((a, b) => b.updated - a.updated);
}

export const put = (conversation) => run("readwrite", (store) => store.put(conversation));

export const remove = (id) => run("readwrite", (store) => store.delete(id));

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
