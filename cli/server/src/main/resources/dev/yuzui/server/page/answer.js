// One answer in the making: chunks become the parts of its message.

import { complete } from "./api.js";
import { changed, figures } from "./tree.js";

/**
 * The fields of a request that the settings ask for; a setting that is empty is not sent.
 *
 * @param switchesThinking whether the model can be told to think or not: a server refuses what its model has no switch for
 */
export function asked(settings, switchesThinking) {
  const request = {};
  for (const name of ["temperature", "top_p", "top_k", "min_p", "seed", "max_tokens"]) {
    if (settings[name] !== undefined && settings[name] !== "") request[name] = Number(settings[name]);
  }
  if (settings.thinking && switchesThinking) {
    const thinks = settings.thinking === "on";
    request.chat_template_kwargs = { thinking: thinks, enable_thinking: thinks };
  }
  if (settings.schemaOn && settings.schema) {
    request.response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema: JSON.parse(settings.schema) } };
  }
  const tools = settings.tools ? JSON.parse(settings.tools) : [];
  if (tools.length > 0) request.tools = tools;
  return request;
}

/** Takes a chunk into a node; the number of tokens it brought is no more than a guess while nothing is counted. */
export function take(node, chunk) {
  const choice = chunk.choices?.[0];
  const delta = choice?.delta ?? {};
  let grew = false;
  if (delta.reasoning_content) {
    node.reasoning = (node.reasoning ?? "") + delta.reasoning_content;
    grew = true;
  }
  if (delta.content) {
    node.content += delta.content;
    grew = true;
  }
  for (const part of delta.tool_calls ?? []) {
    node.calls ??= [];
    const call = (node.calls[part.index] ??= { id: "", name: "", arguments: "" });
    if (part.id) call.id = part.id;
    if (part.function?.name) call.name = part.function.name;
    if (part.function?.arguments) call.arguments += part.function.arguments;
    grew = true;
  }
  if (choice?.finish_reason) node.finish = choice.finish_reason;
  if (chunk.usage) node.usage = figures(chunk.usage);
  if (chunk.timings) node.timings = figures(chunk.timings);
  changed(node);
  return grew;
}

/** An answer under way. */
export class Answering {
  #controller = new AbortController();
  #first = 0;
  #parts = 0;

  constructor(node) {
    this.node = node;
  }

  stop() {
    this.#controller.abort();
  }

  /** Parts a second so far, which mostly are tokens; 0 while it cannot be said. */
  rate() {
    const seconds = (performance.now() - this.#first) / 1000;
    return this.#parts > 1 && seconds > 0.2 ? (this.#parts - 1) / seconds : 0;
  }

  /** Until it is whole; throws as complete() does, but an answer that was stopped is one. */
  async run(request, told) {
    try {
      await complete(request, this.#controller.signal, (chunk) => {
        if (take(this.node, chunk)) {
          this.#first ||= performance.now();
          this.#parts++;
        }
        told();
      });
    } catch (e) {
      if (e.name !== "AbortError") throw e;
      this.node.finish = "stopped";
    } finally {
      if (this.node.calls) this.node.calls = this.node.calls.filter(Boolean);
      changed(this.node);
    }
  }
}
