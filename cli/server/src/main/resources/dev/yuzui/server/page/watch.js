// Whether the server is there: asked seldom while it is, often while it is not.

import { about, health, NeedsKey } from "./api.js";
import { byId } from "./dom.js";

const THERE = 15_000;
const AWAY = 2_000;

export class Watch {
  state = "ok";
  model = { name: "", context: 0, switchesThinking: true };
  #timer = 0;
  #known = false;
  #refused = false;
  #changed;
  #needsKey;

  /**
   * @param changed is called when the server goes, comes, or says what it is
   * @param needsKey is asked for a key; what it promises is whether there is one
   */
  constructor(changed, needsKey) {
    this.#changed = changed;
    this.#needsKey = needsKey;
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.look());
    addEventListener("online", () => this.look());
  }

  /** Somebody noticed. */
  gone() {
    this.#set("gone");
    this.#again();
  }

  async look() {
    clearTimeout(this.#timer);
    const state = await health();
    if (state === "ok" && (this.state !== "ok" || !this.#known) && !this.#refused) await this.#learn();
    this.#set(state);
    this.#again();
  }

  #again() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.look(), this.state === "ok" ? THERE : AWAY);
  }

  async #learn() {
    try {
      this.model = await about();
      this.#known = true;
    } catch (e) {
      if (!(e instanceof NeedsKey)) return;
      if (await this.#needsKey(e.message)) return this.#learn();
      this.#refused = true; // to ask again and again would be rude; whoever sends something is asked
    }
  }

  /** There is another key. */
  learnAgain() {
    this.#refused = this.#known = false;
  }

  #set(state) {
    this.state = state;
    const banner = byId("banner");
    const text = {
      ok: "",
      loading: "The server is loading its model. This page goes on by itself.",
      leaving: "The server is shutting down. This page goes on by itself when it is back.",
      gone: "The server does not answer. This page tries again by itself; nothing of what you wrote is lost.",
    }[state];
    if (banner.textContent !== text) banner.textContent = text;
    banner.hidden = text === "";
    this.#changed();
  }
}
