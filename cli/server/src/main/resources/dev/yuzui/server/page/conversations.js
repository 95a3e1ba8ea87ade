// The conversations of this browser, the latest first, and what other pages of it make of them.

import * as store from "./store.js";
import { merge } from "./tree.js";

export class Conversations {
  /** Why nothing is kept, or "". */
  problem = "";
  #all = [];
  #on;

  /**
   * @param on changed(): by another page, or whether they are kept; gone(conversation): another page deleted it
   */
  constructor(on) {
    this.#on = on;
    store.listen((id) => this.#elsewhere(id).catch(() => {}));
  }

  get all() {
    return this.#all;
  }

  find(id) {
    return this.#all.find((c) => c.id === id);
  }

  includes(conversation) {
    return this.#all.includes(conversation);
  }

  /** What is stored, beside what was said meanwhile. */
  async load() {
    await this.#stored(async () => this.#take(await store.all()));
  }

  /** One has changed, or is new. Where the browser keeps nothing it is here while the page is, and "problem" says so. */
  async keep(conversation) {
    conversation.updated = Date.now();
    this.#take([conversation]);
    await this.save(conversation);
  }

  /** Stores what has become of one, unless it was deleted. */
  async save(conversation) {
    if (this.includes(conversation)) await this.#stored(() => store.put(conversation));
  }

  async add(found) {
    this.#take(found);
    for (const c of found) await this.save(c);
  }

  async remove(conversation) {
    this.#all = this.#all.filter((c) => c !== conversation);
    await this.#stored(() => store.remove(conversation.id));
  }

  #take(more) {
    this.#all.push(...more.filter((c) => !this.find(c.id)));
    this.#all.sort((a, b) => b.updated - a.updated);
  }

  async #elsewhere(id) {
    const record = await store.read(id);
    const mine = this.find(id);
    if (!record) {
      this.#all = this.#all.filter((c) => c !== mine);
      if (mine) this.#on.gone(mine);
      return;
    }
    if (mine) merge(mine, record);
    this.#take([record]);
    this.#on.changed();
  }

  async #stored(work) {
    let problem = "";
    try {
      await work();
    } catch {
      problem = "This browser keeps no conversations; export what you need.";
    }
    if (problem === this.problem) return;
    this.problem = problem;
    this.#on.changed();
  }
}
