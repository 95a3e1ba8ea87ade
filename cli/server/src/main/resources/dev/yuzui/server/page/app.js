// Puts the page together: which conversation is shown, what is sent, what comes.

import { Answering, asked } from "./answer.js";
import { Gone, NeedsKey } from "./api.js";
import { Conversations } from "./conversations.js";
import { askKey, dialog, notice } from "./dialogs.js";
import { announce, byId, composing, grow, saveFile } from "./dom.js";
import { MessageView } from "./message.js";
import { Settings } from "./settings.js";
import { Shelf } from "./shelf.js";
import * as store from "./store.js";
import * as tree from "./tree.js";
import { Watch } from "./watch.js";

const said = byId("said");
const scroll = byId("scroll");
const conversations = new Conversations({ changed: refresh, gone });
let current = tree.newConversation();
let answering = null;
let ended = Promise.resolve();
let views = new Map();
let follow = true;

const settings = new Settings((next) => {
  current.settings = next;
  if (tree.path(current).length > 0) keep();
  render();
});
const shelf = new Shelf({ open, create });
const watch = new Watch(render, newKey);

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
  // what stays is left alone, with its focus and what is selected in it
  fresh.forEach((root, i) => list.children[i] === root || list.insertBefore(root, list.children[i] ?? null));
  while (list.children.length > fresh.length) list.lastElementChild.remove();
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
  const used = nodes.findLast((n) => n.usage?.total_tokens)?.usage.total_tokens ?? 0;
  const context = watch.model.context;
  const modes = [current.settings.schemaOn ? "JSON schema" : "", current.settings.tools ? "Tools" : "", current.settings.system ? "System prompt" : ""];
  byId("gauge").hidden = used === 0 && !modes.some(Boolean) && !conversations.problem;
  byId("context").hidden = byId("context-text").hidden = used === 0;
  showShare(context > 0 ? Math.min(100, Math.round((100 * used) / context)) : 0);
  byId("context-text").textContent = used.toLocaleString("en") + (context > 0 ? ` of ${context.toLocaleString("en")}` : "") + " tokens";
  byId("mode").textContent = conversations.problem || modes.filter(Boolean).join(" · ");
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

/** Something is other than it was, and not by what was done on this page. */
function refresh() {
  settings.set(current.settings);
  shelf.show(conversations.all, current.id);
  render();
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

function keep() {
  const kept = conversations.keep(current);
  shelf.show(conversations.all, current.id);
  place();
  return kept;
}

function turnTo(conversation) {
  stop();
  current = conversation;
  views = new Map();
  follow = true;
  settings.set(current.settings);
  shelf.show(conversations.all, current.id);
  place();
  render();
  said.focus();
}

/** Where it is open already nothing changes: its answer goes on. */
function open(id) {
  if (id === current.id) said.focus();
  else turnTo(conversations.find(id) ?? tree.newConversation());
}

/** With the settings of the one before. */
function create() {
  turnTo(tree.newConversation({ ...current.settings }));
}

/** One was deleted. */
function gone(conversation) {
  if (conversation === current) open(conversations.all[0]?.id);
  else refresh();
}

/** The address says which conversation it is, so that a page that is loaded again shows it again. */
function place() {
  history.replaceState(null, "", conversations.includes(current) ? `#${current.id}` : location.pathname);
}

addEventListener("hashchange", () => {
  if (conversations.find(location.hash.slice(1))) open(location.hash.slice(1));
  else place();
});
byId("skip").addEventListener("click", (e) => {
  e.preventDefault(); // or it would be the address of a conversation
  said.focus();
});
byId("title").addEventListener("change", () => {
  current.title = byId("title").value.trim();
  if (tree.path(current).length > 0) keep();
  render();
});
byId("export").addEventListener("click", () => {
  byId("menu").hidePopover();
  saveFile("conversation.json", store.exported([current]));
});
byId("export-all").addEventListener("click", () => saveFile("conversations.json", store.exported(conversations.all)));
byId("import").addEventListener("click", () => byId("import-file").click());
byId("import-file").addEventListener("change", async (e) => {
  const file = e.target.files[0];
  if (!file) return;
  try {
    const found = store.imported(await file.text());
    await conversations.add(found);
    announce(`${found.length} imported`);
    notice("");
    if (found.length > 0) open(found[0].id);
    shelf.close();
  } catch (problem) {
    notice(`${file.name} was not imported: ${problem.message}`);
  }
  e.target.value = "";
});
byId("delete").addEventListener("click", async () => {
  byId("menu").hidePopover();
  const conversation = current;
  byId("sure-text").textContent = tree.titleOf(conversation);
  if ((await dialog(byId("sure"))) !== "yes") return;
  if (conversation === current) await stop(); // its end is stored, and would come behind the deletion
  await conversations.remove(conversation);
  gone(conversation);
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
  if (e.key !== "Enter" || e.shiftKey || composing(e)) return;
  e.preventDefault();
  byId("composer").requestSubmit();
});
byId("stop").addEventListener("click", () => {
  stop();
  said.focus();
});
addEventListener("keydown", (e) => {
  if (e.key === "Escape" && !composing(e) && answering && !document.querySelector("dialog[open], :popover-open")) stop();
});

/** Until what the answer has become is stored. */
function stop() {
  answering?.stop();
  return ended;
}

/** Another message in place of one, while none is answered. What a person says is answered; what the model said is kept. */
function edit(node, text) {
  const { role, parent, schema } = node;
  tree.add(current, parent, { role, content: text, ...(role === "assistant" ? { schema, finish: "stop" } : {}) });
  if (role === "user") answer();
  else {
    keep();
    render();
    said.focus();
  }
}

function again(node) {
  answer(node.parent);
}

/** What the tools answered, in the order of their calls. */
function results(node, texts) {
  let above = node.id;
  tree.callsOf(node).forEach((call, i) => {
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
function answer(parent = tree.path(current).at(-1).id) {
  if (!answering) ended = tell(parent);
}

async function tell(parent) {
  const conversation = current;
  const above = tree.pathTo(conversation, conversation.nodes[parent]);
  const node = tree.add(conversation, parent, { role: "assistant", content: "", schema: conversation.settings.schemaOn === true });
  answering = new Answering(node);
  follow = true;
  announce("The model answers");
  render();
  said.focus(); // the button that was pressed is gone
  keep();
  const saving = setInterval(() => conversations.save(conversation), 1500);
  try {
    const request = { ...asked(conversation.settings, watch.model.switchesThinking), messages: tree.asMessages(conversation, above) };
    if (watch.model.name) request.model = watch.model.name;
    await withKey(() => answering.run(request, renderSoon));
    announce(tree.callsOf(node).length > 0 ? "The model calls a tool" : "The answer is done");
  } catch (e) {
    node.error = e.message;
    tree.changed(node);
    if (e instanceof Gone) watch.gone();
    announce(e.message);
  } finally {
    clearInterval(saving);
    answering = null;
    const stored = conversation === current ? keep() : conversations.save(conversation);
    render();
    await stored;
  }
}

// ---- keys and colours ----

async function withKey(work) {
  for (;;) {
    try {
      return await work();
    } catch (e) {
      if (!(e instanceof NeedsKey) || !(await newKey(e.message))) throw e;
    }
  }
}

async function newKey(problem) {
  const given = await askKey(problem);
  if (given) watch.learnAgain();
  return given;
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
said.focus();
await conversations.load();
if (tree.path(current).length === 0 && conversations.find(location.hash.slice(1))) open(location.hash.slice(1));
else {
  place(); // whoever was quicker than the database goes on with what they said
  refresh();
}
watch.look();
