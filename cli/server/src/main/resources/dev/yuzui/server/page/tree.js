// A conversation is a tree: an edited or repeated message is a sibling of the first one, and what follows belongs to it.
// Every node knows its children and which of them is shown; the path of the shown ones is what is read and sent.

const ROLES = ["user", "assistant", "tool"];

export const newId = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");

export function newConversation(settings = {}) {
  const now = Date.now();
  return { version: 1, id: newId(), title: "", created: now, updated: now, settings, root: { children: [], shown: 0 }, nodes: {} };
}

const at = (c, id) => (id === null ? c.root : c.nodes[id]);

/** Adds a message under another (null: at the beginning) and shows it. */
export function add(c, parent, message) {
  const node = { id: newId(), parent, children: [], shown: 0, created: Date.now(), ...message };
  const above = at(c, parent);
  c.nodes[node.id] = node;
  above.children.push(node.id);
  above.shown = above.children.length - 1;
  return node;
}

/** The messages that are shown, from the first on. */
export function path(c) {
  const shown = [];
  let next = c.root;
  while (next.children.length > 0) {
    next = c.nodes[next.children[next.shown]];
    shown.push(next);
  }
  return shown;
}

/** Those from the first on down to a message, which is among them. */
export function pathTo(c, node) {
  const above = [];
  for (let n = node; n; n = n.parent === null ? null : c.nodes[n.parent]) above.unshift(n);
  return above;
}

export const siblings = (c, node) => at(c, node.parent).children;

export function show(c, node) {
  const above = at(c, node.parent);
  above.shown = above.children.indexOf(node.id);
}

export function titleOf(c) {
  if (c.title) return c.title;
  const first = path(c).find((n) => n.role === "user");
  const text = (first?.content ?? "").trim().replace(/\s+/g, " ");
  return text.length > 60 ? text.slice(0, 59) + "…" : text || "New conversation";
}

/** What is in a message has changed; who makes it counts, so that of two copies it is known which is later. */
export function changed(node) {
  node.revision = (node.revision ?? 0) + 1;
}

/**
 * Takes into a conversation what another page made of the same one: the messages of both, each as it was last changed, and title and
 * settings of the later. Nothing is ever taken out of a conversation, so that what only one of them has is new.
 */
export function merge(c, other) {
  if (other.updated > c.updated) Object.assign(c, { title: other.title, settings: other.settings, updated: other.updated });
  join(c.root, other.root);
  for (const node of Object.values(other.nodes)) {
    const mine = c.nodes[node.id];
    if (!mine) {
      c.nodes[node.id] = node;
      continue;
    }
    const { children, shown, ...said } = node;
    if ((node.revision ?? 0) > (mine.revision ?? 0)) Object.assign(mine, said);
    join(mine, node);
  }
}

/** Versions of both; what a page shows it goes on to show. */
function join(mine, theirs) {
  if (mine.children.length === 0) mine.shown = theirs.shown;
  mine.children.push(...theirs.children.filter((id) => !mine.children.includes(id)));
}

/**
 * The calls of an answer that are whole. One that was cut, by whatever ended the answer or this page, has no arguments that anybody
 * could read, and would make templates refuse the conversation from then on.
 */
export const callsOf = (node) => (node.calls ?? []).filter((call) => node.finish === "tool_calls" || isWhole(call.arguments));

function isWhole(json) {
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

/** What the server is sent for the messages down to a node. */
export function asMessages(c, nodes) {
  const system = (c.settings.system ?? "").trim();
  const messages = system ? [{ role: "system", content: c.settings.system }] : [];
  for (const n of nodes) {
    if (n.role === "tool") {
      messages.push({ role: "tool", tool_call_id: n.callId, name: n.name, content: n.content });
    } else if (n.role === "assistant") {
      const calls = callsOf(n);
      const message = { role: "assistant", content: n.content || (calls.length > 0 ? null : "") };
      if (n.reasoning) message.reasoning_content = n.reasoning;
      if (calls.length > 0) {
        message.tool_calls = calls.map((k) => ({ id: k.id, type: "function", function: { name: k.name, arguments: k.arguments || "{}" } }));
      }
      messages.push(message);
    } else {
      messages.push({ role: "user", content: n.content });
    }
  }
  return messages;
}

/** A conversation of a file, whole and of known parts, or an error that says what is wrong. */
export function checked(c) {
  const wrong = (what) => {
    throw new Error(`this is no conversation of Yuzui: ${what}`);
  };
  if (!c || typeof c !== "object" || c.version !== 1) wrong("expected version 1");
  if (!c.root || !Array.isArray(c.root.children) || typeof c.nodes !== "object" || !c.nodes) wrong("expected root and nodes");
  const copy = { ...newConversation(), title: text(c.title), created: number(c.created), updated: number(c.updated) };
  copy.settings = settings(c.settings);
  copy.root = { children: [], shown: 0 };
  const walk = [[c.root, copy.root, null]];
  const seen = new Set();
  while (walk.length > 0) {
    const [from, to, parent] = walk.pop();
    for (const id of from.children) {
      const node = typeof id === "string" && Object.hasOwn(c.nodes, id) ? c.nodes[id] : null;
      if (!node || seen.has(id)) wrong(`message ${id} is missing, or there twice`);
      seen.add(id);
      if (!ROLES.includes(node.role) || !Array.isArray(node.children)) wrong(`message ${id} has no role that is known`);
      const made = {
        id: newId(), parent, children: [], shown: 0, created: number(node.created), role: node.role, content: text(node.content),
        reasoning: text(node.reasoning), finish: text(node.finish), error: text(node.error), name: text(node.name), callId: text(node.callId),
        schema: node.schema === true, usage: figures(node.usage), timings: figures(node.timings),
        calls: (Array.isArray(node.calls) ? node.calls : []).map((k) => ({ id: text(k?.id), name: text(k?.name), arguments: text(k?.arguments) })),
      };
      copy.nodes[made.id] = made;
      to.children.push(made.id);
      walk.push([node, made, made.id]);
    }
    to.shown = Math.min(Math.max(0, number(from.shown)), Math.max(0, to.children.length - 1));
  }
  return copy;
}

const FIGURES = ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_n", "prompt_per_second", "predicted_n", "predicted_per_second"];

/** The numbers of an answer that are shown, as far as they are numbers. */
export const figures = (given) => Object.fromEntries(FIGURES.filter((name) => Number.isFinite(given?.[name])).map((name) => [name, given[name]]));

const text = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? Math.trunc(value) : 0);

/** What a file says of settings, as far as they are texts; numbers are texts here, as they were typed. */
function settings(given) {
  const known = { schemaOn: given?.schemaOn === true };
  for (const name of ["system", "temperature", "top_p", "top_k", "min_p", "seed", "max_tokens", "thinking", "schema", "tools"]) {
    if (typeof given?.[name] === "string") known[name] = given[name];
  }
  return known;
}
