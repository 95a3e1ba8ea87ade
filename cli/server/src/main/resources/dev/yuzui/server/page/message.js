// One message on the page.

import { composing, copyButton, el, grow, quietButton } from "./dom.js";
import { Markdown } from "./markdown.js";
import { callsOf } from "./tree.js";

const indented = (json) => {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
};

const ENDS = {
  length: "The answer was cut: its limit of tokens, or the context, was reached.",
  stopped: "Stopped.",
};

const rate = (value) => (value >= 100 ? Math.round(value) : value.toFixed(1)).toLocaleString("en");

/** Of a node; update() shows what it has become. What is done to it is for "on": edit, again, results, turn. */
export class MessageView {
  #on;
  #parts = el("div", { class: "parts" });
  #foot = el("div", { class: "foot" });
  #text = el("div", { class: "text" });
  #thought = el("div", { class: "thought-text" });
  #thinking = el("details", { class: "thinking" }, el("summary", { text: "Thinking" }), this.#thought);
  #calls = el("div", { class: "calls" });
  #note = el("p", { class: "note" });
  #markdown = new Markdown(this.#text);
  #editing = false;
  #busy = false;
  #send = null;
  #shown = "";
  #footKey = "";

  constructor(node, on) {
    this.node = node;
    this.#on = on;
    const who = { user: "You", assistant: "The model", tool: `Result of ${node.name || "a tool"}` }[node.role];
    this.root = el("article", { class: `message ${node.role}`, "aria-label": who, "data-id": node.id }, this.#parts, this.#foot);
    if (node.role === "tool") {
      this.#parts.append(el("details", {}, el("summary", { text: who }), el("pre", { tabindex: "0", text: indented(node.content) })));
    } else {
      this.#parts.append(this.#thinking, this.#text, this.#calls, this.#note);
    }
    this.#thinking.hidden = this.#calls.hidden = this.#note.hidden = true;
  }

  /**
   * @param state live: the answer is being made; busy: some answer is; last: nothing follows; siblings, index
   */
  update(state) {
    const node = this.node;
    this.#busy = state.busy;
    if (this.#send) this.#send.disabled = state.busy;
    this.root.classList.toggle("live", state.live);
    this.root.setAttribute("aria-busy", state.live);
    if (this.#editing || node.role === "tool") {
      if (node.role === "tool") this.#footer(state);
      return;
    }
    if (node.role === "user") {
      if (this.#shown !== node.content) this.#text.textContent = node.content;
      this.#shown = node.content;
    } else {
      this.#answer(state);
    }
    this.#footer(state);
  }

  #answer(state) {
    const node = this.node;
    const calls = state.live ? (node.calls ?? []).filter(Boolean) : callsOf(node);
    if (node.reasoning) {
      const thinks = state.live && !node.content && calls.length === 0;
      this.#thinking.hidden = false;
      this.#thinking.firstChild.textContent = thinks ? "Thinking …" : "Thought";
      if (this.#thought.textContent !== node.reasoning) this.#thought.textContent = node.reasoning;
    }
    const asCode = node.schema && node.content.trim() !== "";
    const text = asCode ? "```json\n" + (state.live ? node.content : indented(node.content)) + "\n```" : node.content;
    if (this.#shown !== text) this.#markdown.show(text);
    this.#shown = text;
    this.#text.hidden = text === "" && (node.reasoning || calls.length > 0);
    this.#showCalls(calls, state);
    const said = node.error || (state.live ? "" : (ENDS[node.finish] ?? ""));
    this.#note.hidden = said === "";
    this.#note.textContent = said;
    this.#note.classList.toggle("problem", Boolean(node.error));
  }

  #showCalls(calls, state) {
    this.#calls.hidden = calls.length === 0;
    const form = this.#calls.querySelector("form");
    const boxes = [...this.#calls.querySelectorAll(".call")];
    boxes.splice(calls.length).forEach((box) => box.remove()); // what was cut
    calls.forEach((call, i) => {
      boxes[i] ??= el("section", { class: "call" }, el("h3"), el("pre", { tabindex: "0" }));
      const box = boxes[i];
      if (!box.parentNode) this.#calls.insertBefore(box, form);
      box.setAttribute("aria-label", `Calls ${call.name}`);
      box.children[0].textContent = call.name;
      const text = state.live ? call.arguments : indented(call.arguments || "{}");
      if (box.children[1].textContent !== text) box.children[1].textContent = text;
    });
    const asks = calls.length > 0 && state.last && !state.live && !state.busy;
    const asked = asks ? calls.length : 0;
    if ((form?.querySelectorAll("textarea").length ?? 0) === asked) return;
    form?.remove();
    if (asks) this.#calls.append(this.#results(calls));
  }

  /** Where a person says what the tools would. */
  #results(calls) {
    const areas = calls.map((call) => el("textarea", { rows: "2", class: "code", "aria-label": `Result of ${call.name}`, spellcheck: "false", placeholder: `What ${call.name} answers` }));
    const send = (e) => {
      e.preventDefault();
      this.#on.results(this.node, areas.map((area) => area.value));
    };
    for (const area of areas) {
      area.addEventListener("keydown", (e) => {
        if (e.key !== "Enter" || e.shiftKey || composing(e)) return;
        e.preventDefault();
        const open = areas.find((other) => other !== area && other.value === "");
        if (open) open.focus();
        else send(e);
      });
    }
    return el("form", { class: "results", submit: send }, ...areas, el("button", { type: "submit", text: calls.length > 1 ? "Give the results" : "Give the result" }));
  }

  #footer(state) {
    const node = this.node;
    const key = JSON.stringify([state.siblings, state.index, state.live, state.busy, state.rate, node.content !== "", node.timings, node.usage]);
    if (this.#footKey === key) return;
    this.#footKey = key;
    const parts = [];
    if (state.siblings > 1) {
      const turn = (by, text, label) => {
        const button = quietButton(text, label, () => this.#on.turn(node, by));
        button.disabled = state.busy || state.index + by < 0 || state.index + by >= state.siblings;
        button.dataset.turn = by;
        return button;
      };
      parts.push(
        el("span", { class: "turns" }, turn(-1, "‹", "The version before"), el("span", { text: `${state.index + 1}/${state.siblings}` }), turn(1, "›", "The next version")),
      );
    }
    if (!state.live && !state.busy && node.role !== "tool") {
      parts.push(quietButton("Edit", "Edit", () => this.#edit()));
      if (node.role === "assistant") parts.push(quietButton("Again", "Answer again", () => this.#on.again(node)));
      if (node.content) parts.push(copyButton("Copy the text", () => node.content));
    }
    if (node.role === "assistant") parts.push(el("span", { class: "faint figures" }, ...this.#figures(state)));
    this.#foot.replaceChildren(...parts);
  }

  #figures(state) {
    const { timings: t, usage: u } = this.node;
    const said = state.live && state.rate ? [state.rate] : [];
    if (t?.predicted_per_second) said.push(`${rate(t.predicted_per_second)} tokens/s`);
    const made = u?.completion_tokens ?? t?.predicted_n;
    if (made) said.push(`${made.toLocaleString("en")} tokens`);
    if (t?.prompt_per_second && t.prompt_n) said.push(`prompt ${t.prompt_n.toLocaleString("en")} at ${rate(t.prompt_per_second)}/s`);
    return said.flatMap((text, i) => [el("span", { text: i < said.length - 1 ? `${text} ·` : text }), " "]);
  }

  #edit() {
    this.#editing = true;
    const user = this.node.role === "user";
    const area = el("textarea", { class: "edit", "aria-label": "Edit the message" });
    area.value = this.node.content;
    const close = () => {
      this.#editing = false;
      this.#send = null;
      form.remove();
      this.#parts.hidden = this.#foot.hidden = false;
      this.#foot.querySelector("button")?.focus();
    };
    const save = (e) => {
      e.preventDefault();
      if (this.#busy) return; // another version would hide the answer that is being made
      const text = area.value;
      close();
      if (text.trim() && text !== this.node.content) this.#on.edit(this.node, text);
    };
    area.addEventListener("input", () => grow(area, 0.6));
    area.addEventListener("keydown", (e) => {
      if (composing(e)) return;
      if (e.key === "Escape") {
        e.stopPropagation();
        close();
      } else if (e.key === "Enter" && !e.shiftKey && user) save(e);
    });
    this.#send = el("button", { type: "submit", class: "main", text: user ? "Send" : "Keep", disabled: this.#busy });
    const form = el("form", { class: "editing", submit: save }, area,
      el("div", { class: "buttons" }, this.#send, el("button", { type: "button", text: "Cancel", click: close })));
    this.#parts.hidden = this.#foot.hidden = true;
    this.root.append(form);
    grow(area, 0.6);
    area.focus();
  }
}
