// What a conversation is asked with. A value that means nothing is said at once and not kept.

import { byId } from "./dom.js";

const NUMBERS = ["temperature", "top_p", "top_k", "min_p", "seed", "max_tokens"];

const isWhole = (input) => input.hasAttribute("data-whole");

/** As JavaScript reads it. A comma is a decimal point, but not where there are no decimals: 1,000 would be 1. */
const typed = (input) => (isWhole(input) ? input.value.trim() : input.value.trim().replace(",", "."));

/** Wrong, or "". */
function wrongNumber(input) {
  const value = input.value.trim();
  if (value === "") return "";
  const label = input.closest("label").firstChild.textContent.trim();
  const number = Number(typed(input));
  const [min, max] = [Number(input.dataset.min), Number(input.dataset.max)];
  if (!Number.isFinite(number) || number < min || number > max || (isWhole(input) && !/^\d+$/.test(value))) {
    return `${label}: expected a ${isWhole(input) ? "whole number, in digits alone," : "number"} from ${min} to ${max}, found "${value}".`;
  }
  return "";
}

function wrongJson(area, what, good) {
  const value = area.value.trim();
  if (value === "") return "";
  try {
    return good(JSON.parse(value)) ? "" : `${what}, found something else.`;
  } catch (e) {
    return `${what}: ${e.message}.`;
  }
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

export class Settings {
  #dialog = byId("settings");
  #settings = {};
  #changed;

  /**
   * @param changed is called with settings that hold
   */
  constructor(changed) {
    this.#changed = changed;
    byId("settings-open").addEventListener("click", () => this.open());
    this.#dialog.addEventListener("input", () => this.#read());
    this.#dialog.addEventListener("click", (e) => e.target === this.#dialog && this.#dialog.close());
  }

  /** Those of the conversation that is shown. */
  set(settings) {
    this.#settings = settings;
  }

  /**
   * @param thinking whether the model can be told to think or not
   */
  can(thinking) {
    byId("set-thinking").disabled = !thinking;
  }

  open() {
    const s = this.#settings;
    byId("set-system").value = s.system ?? "";
    for (const name of NUMBERS) byId(`set-${name}`).value = s[name] ?? "";
    byId("set-thinking").value = s.thinking ?? "";
    byId("set-schema-on").checked = s.schemaOn === true;
    byId("set-schema").value = s.schema ?? "";
    byId("set-tools").value = s.tools ?? "";
    this.#read(false);
    this.#dialog.showModal();
  }

  #read(tell = true) {
    const next = { ...this.#settings, system: byId("set-system").value };
    if (!byId("set-thinking").disabled) next.thinking = byId("set-thinking").value; // else it is for another model
    const problems = [];
    const check = (element, problem, keep) => {
      element.setAttribute("aria-invalid", problem !== "");
      if (problem) problems.push(problem);
      else keep();
    };
    for (const name of NUMBERS) {
      const input = byId(`set-${name}`);
      check(input, wrongNumber(input), () => (next[name] = typed(input)));
    }
    const schema = byId("set-schema");
    check(schema, wrongJson(schema, "JSON schema: expected an object", isObject), () => (next.schema = schema.value.trim()));
    next.schemaOn = byId("set-schema-on").checked && Boolean(next.schema);
    if (byId("set-schema-on").checked && !schema.value.trim()) problems.push("JSON schema: expected one, found none.");
    const tools = byId("set-tools");
    check(tools, wrongJson(tools, "Tools: expected an array of objects", (v) => Array.isArray(v) && v.every(isObject)), () => (next.tools = tools.value.trim()));
    byId("settings-problem").textContent = problems.join(" ");
    this.#settings = next;
    if (tell) this.#changed(next);
  }
}
