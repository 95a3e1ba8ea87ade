// The server's interface: OpenAI's chat completions, and what llama.cpp's server tells of itself.

const KEY = "yuzui-key";

/** The server did not answer at all. */
export class Gone extends Error {}

/** It wants a key, or another one. */
export class NeedsKey extends Error {}

let given = "";

/** Where the browser keeps nothing, as long as the page is there. */
export function key() {
  try {
    return sessionStorage.getItem(KEY) ?? given;
  } catch {
    return given;
  }
}

export function setKey(value) {
  given = value;
  try {
    sessionStorage.setItem(KEY, value);
  } catch {
    // it holds for this page
  }
}

async function ask(where, options = {}) {
  const headers = { ...options.headers };
  if (key()) headers.Authorization = `Bearer ${key()}`;
  let response;
  try {
    response = await fetch(where, { ...options, headers, cache: "no-store", credentials: "omit", redirect: "error" });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Gone("The server does not answer.");
  }
  if (response.status === 401) throw new NeedsKey(await problem(response));
  return response;
}

async function problem(response) {
  let body = "";
  try {
    body = await response.text();
    const error = JSON.parse(body).error;
    return typeof error === "string" ? error : (error?.message ?? body);
  } catch {
    return body.trim().slice(0, 500) || `The server answered ${response.status}.`;
  }
}

/** What the server is: "ok", "loading", "leaving" or "gone". */
export async function health() {
  try {
    const response = await ask("/health", { signal: AbortSignal.timeout(4000) });
    if (response.status !== 503) return "ok";
    const { error } = await response.json().catch(() => ({}));
    return error?.code === "shutting_down" ? "leaving" : "loading";
  } catch (e) {
    return e instanceof NeedsKey ? "ok" : "gone";
  }
}

/** The model's name and its context, as far as the server says. */
export async function about() {
  const props = await ask("/props");
  const said = props.ok ? await props.json() : {};
  let name = said.model_alias ?? "";
  if (!name) {
    const models = await ask("/v1/models");
    name = models.ok ? ((await models.json()).data?.[0]?.id ?? "") : "";
  }
  return { name, context: said.default_generation_settings?.n_ctx ?? 0, switchesThinking: said.thinking_switchable !== false };
}

/**
 * Begins an answer and tells of each chunk of it.
 *
 * @param signal ends it early; then this throws AbortError
 */
export async function complete(request, signal, told) {
  const response = await ask("/v1/chat/completions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...request, stream: true, stream_options: { include_usage: true } }),
    signal,
  });
  if (!response.ok) throw new Error(await problem(response));
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let held = "";
  let whole = false;
  for (;;) {
    let part;
    try {
      part = await reader.read();
    } catch (e) {
      if (e.name === "AbortError") throw e;
      throw new Gone("The connection broke before the answer was whole.");
    }
    if (part.done) break;
    held += decoder.decode(part.value, { stream: true });
    const lines = held.split(/\r\n|\n|\r/);
    held = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") {
        whole = true;
        continue;
      }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message ?? String(chunk.error));
      told(chunk);
    }
  }
  if (!whole) throw new Gone("The connection broke before the answer was whole.");
}
