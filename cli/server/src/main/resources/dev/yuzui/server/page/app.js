// Puts the page together: which conversation is shown, what is sent, what comes.

import { Answering, asked } from "./answer.js";
import { Gone, key, NeedsKey, setKey } from "./api.js";
import { announce, byId, grow, saveFile } from "./dom.js";
import { MessageView } from "./message.js";
import { Settings } from "./settings.js";
import { Shelf } from "./shelf.js";
import * as store from "./store.js";
import * as tree from "./tree.js";
import { Watch } from "./watch.js";

const said = byId("said");
const scroll = byId("scroll");
let conversations = [];
let current = tree.newConversation();
let answering = null;
let views = new Map();
let follow = true;
let storageSays = "";

const settings = new Settings((next) => {
  current.settings = next;
  if (tree.path(current).length > 0) keep();
  render();
});
const shelf = new Shelf({ open, create });
const watch = new Watch(render, askKey);

// ---- what is shown ----

function render() {
  const nodes = tree.path(current);
  const list = byId("messages");
  const fresh = nodes.map((node, i) => {
    const view = views.get(node.id) ?? new MessageView(node, { edit, again, results, turn });
    views.set(node.id, view);
    const siblings = tree.siblings(current, node);
    const live = answering?.node === node;
    const rate = live ? answering.rate() : 0;
    view.update({
      live,
      busy: answering !== null,
      last: i === nodes.length - 1,
      siblings: siblings.length,
      index: siblings.indexOf(node.id),
      rate: rate > 0 ? `${rate.toFixed(1)} tokens/s` : "",
    });
    return view.root;
  });
  if (fresh.length !== list.children.length || fresh.some((root, i) => list.children[i] !== root)) list.replaceChildren(...fresh);
  byId("desk").classList.toggle("empty", nodes.length === 0);
  renderDesk(nodes);
  if (follow) scroll.scrollTop = scroll.scrollHeight;
  watchEnd();
}

function renderDesk(nodes) {
  const title = byId("title");
  if (document.activeElement !== title) title.value = tree.titleOf(current);
  document.title = nodes.length > 0 ? `${tree.titleOf(current)} – Yuzui` : "Yuzui";
  byId("model").textContent = watch.model.name;
  settings.can(watch.model.switchesThinking);
  byId("more").hidden = nodes.length === 0;
  byId("send").hidden = answering !== null;
  byId("stop").hidden = answering === null;
  byId("send").disabled = watch.state !== "ok";
  const used = nodes.findLast((n) => n.usage)?.usage?.total_tokens ?? 0;
  const context = watch.model.context;
  const modes = [current.settings.schemaOn ? "JSON schema" : "", current.settings.tools ? "Tools" : "", current.settings.system ? "System prompt" : ""];
  byId("gauge").hidden = used === 0 && !modes.some(Boolean);
  byId("context").hidden = byId("context-text").hidden = used === 0;
  showShare(context > 0 ? Math.min(100, Math.round((100 * used) / context)) : 0);
  byId("context-text").textContent = used.toLocaleString("en") + (context > 0 ? ` of ${context.toLocaleString("en")}` : "") + " tokens";
  byId("mode").textContent = modes.filter(Boolean).join(" · ");
  if (storageSays) byId("mode").textContent = storageSays;
}

/** Of the context, in percent. */
function showShare(share) {
  const meter = byId("context");
  meter.firstChild.style.width = `${share}%`;
  meter.setAttribute("aria-valuenow", share);
  meter.classList.toggle("full", share >= 90);
}

/** Chunks come faster than anybody reads. */
let planned = 0;
function renderSoon() {
  planned ||= requestAnimationFrame(() => {
    planned = 0;
    render();
  });
}

function watchEnd() {
  const below = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight;
  byId("to-end").hidden = below < 160;
}

scroll.addEventListener("scroll", () => {
  follow = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
  watchEnd();
});
byId("to-end").addEventListener("click", () => {
  follow = true;
  render();
  said.focus();
});

// ---- which conversation ----

/** Where the browser keeps nothing the page works, and says so. */
async function keep() {
  current.updated = Date.now();
  if (!conversations.includes(current)) conversations.unshift(current);
  conversations.sort((a, b) => b.updated - a.updated);
  shelf.show(conversations, current.id);
  place();
  try {
    await store.put(current);
    storageSays = "";
  } catch {
    storageSays = "This browser keeps no conversations; export what you need.";
  }
}

function turnTo(conversation) {
  stop();
  current = conversation;
  views = new Map();
  follow = true;
  settings.set(current.settings);
  shelf.show(conversations, current.id);
  place();
  render();
  said.focus();
}

function open(id) {
  turnTo(conversations.find((c) => c.id === id) ?? tree.newConversation());
}

/** With the settings of the one before. */
function create() {
  turnTo(tree.newConversation({ ...current.settings }));
}

/** The address says which conversation it is, so that a page that is loaded again shows it again. */
function place() {
  history.replaceState(null, "", conversations.includes(current) ? `#${current.id}` : location.pathname);
}

byId("title").addEventListener("change", () => {
  current.title = byId("title").value.trim();
  if (tree.path(current).length > 0) keep();
  render();
});
byId("export").addEventListener("click", () => {
  byId("menu").hidePopover();
  saveFile("conversation.json", store.exported([current]));
});
byId("export-all").addEventListener("click", () => saveFile("conversations.json", store.exported(conversations)));
byId("import").addEventListener("click", () => byId("import-file").click());
byId("import-file").addEventListener("change", async (e) => {
  const file = e.target.files[0];
  if (!file) return;
  try {
    const found = store.imported(await file.text());
    for (const c of found) await store.put(c);
    conversations.push(...found);
    conversations.sort((a, b) => b.updated - a.updated);
    announce(`${found.length} imported`);
    open(found[0]?.id);
    shelf.close();
  } catch (problem) {
    alertOnce(`${file.name} was not imported: ${problem.message}`);
  }
  e.target.value = "";
});
byId("delete").addEventListener("click", async () => {
  byId("menu").hidePopover();
  byId("sure-text").textContent = tree.titleOf(current);
  if ((await dialog(byId("sure"))) !== "yes") return;
  stop();
  conversations = conversations.filter((c) => c !== current);
  await store.remove(current.id).catch(() => {});
  open(conversations[0]?.id);
});

// ---- what is said ----

byId("composer").addEventListener("submit", (e) => {
  e.preventDefault();
  const text = said.value;
  if (!text.trim() || answering || watch.state !== "ok") return;
  said.value = "";
  grow(said);
  const nodes = tree.path(current);
  tree.add(current, nodes.at(-1)?.id ?? null, { role: "user", content: text });
  answer();
});
said.addEventListener("input", () => grow(said));
said.addEventListener("keydown", (e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  byId("composer").requestSubmit();
});
byId("stop").addEventListener("click", stop);
addEventListener("keydown", (e) => {
  if (e.key === "Escape" && answering && !document.querySelector("dialog[open], :popover-open")) stop();
});

function stop() {
  answering?.stop();
}

/** Another message in place of one. What a person says is answered; what the model said is kept. */
function edit(node, text) {
  const { role, parent, schema } = node;
  tree.add(current, parent, { role, content: text, ...(role === "assistant" ? { schema, finish: "stop" } : {}) });
  if (role === "user") answer();
  else {
    keep();
    render();
  }
}

function again(node) {
  answer(node.parent);
}

/** What the tools answered, in the order of their calls. */
function results(node, texts) {
  let above = node.id;
  node.calls.forEach((call, i) => {
    above = tree.add(current, above, { role: "tool", callId: call.id, name: call.name, content: texts[i] }).id;
  });
  answer();
}

function turn(node, by) {
  const siblings = tree.siblings(current, node);
  const next = current.nodes[siblings[siblings.indexOf(node.id) + by]];
  tree.show(current, next);
  follow = false;
  keep();
  render();
  const buttons = [...views.get(next.id).root.querySelectorAll(".turns button")];
  (buttons.find((b) => Number(b.dataset.turn) === by && !b.disabled) ?? buttons.find((b) => !b.disabled))?.focus();
}

/** Answers the last message that is shown, or another. */
async function answer(parent = tree.path(current).at(-1).id) {
  if (answering) return;
  const conversation = current;
  const above = tree.pathTo(conversation, conversation.nodes[parent]);
  const node = tree.add(conversation, parent, { role: "assistant", content: "", schema: conversation.settings.schemaOn === true });
  answering = new Answering(node);
  follow = true;
  announce("The model answers");
  render();
  keep();
  const saving = setInterval(() => store.put(conversation).catch(() => {}), 1500);
  try {
    const request = { ...asked(conversation.settings), messages: tree.asMessages(conversation, above) };
    if (watch.model.name) request.model = watch.model.name;
    await withKey(() => answering.run(request, renderSoon));
    announce(node.calls?.length ? "The model calls a tool" : "The answer is done");
  } catch (e) {
    node.error = e.message;
    if (e instanceof Gone) watch.gone();
    announce(e.message);
  } finally {
    clearInterval(saving);
    answering = null;
    if (conversation === current) keep();
    else store.put(conversation).catch(() => {});
    render();
  }
}

// ---- keys and dialogs ----

async function withKey(work) {
  for (;;) {
    try {
      return await work();
    } catch (e) {
      if (!(e instanceof NeedsKey) || !(await askKey(e.message))) throw e;
    }
  }
}

let asking = null;

/** Whether one was given; who asks meanwhile waits for the same. */
function askKey(problem) {
  asking ??= (async () => {
    byId("key-problem").textContent = key() ? problem : "";
    byId("key-value").value = "";
    await dialog(byId("key"));
    const value = byId("key-value").value.trim();
    asking = null;
    if (value) {
      setKey(value);
      watch.learnAgain();
    }
    return value !== "";
  })();
  return asking;
}

function dialog(element) {
  return new Promise((resolve) => {
    element.returnValue = "";
    element.addEventListener("close", () => resolve(element.returnValue), { once: true });
    element.showModal();
  });
}

function alertOnce(text) {
  const banner = byId("banner");
  banner.textContent = text;
  banner.hidden = false;
}

const THEMES = ["", "light", "dark"];
const themeNames = { "": "Colours: as the system", light: "Colours: light", dark: "Colours: dark" };

function showTheme() {
  byId("theme").textContent = themeNames[document.documentElement.dataset.theme ?? ""];
}

byId("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme ?? "") + 1) % THEMES.length];
  if (next) document.documentElement.dataset.theme = next;
  else delete document.documentElement.dataset.theme;
  try {
    localStorage.setItem("yuzui-theme", next);
  } catch {
    // it holds for this page
  }
  showTheme();
});

// ---- begin ----

grow(said);
showTheme();
try {
  conversations = await store.all();
} catch {
  storageSays = "This browser keeps no conversations; export what you need.";
}
addEventListener("hashchange", () => open(location.hash.slice(1)));
open(location.hash.slice(1));
watch.look();
