// Uses the server's page as a person does, in Chromium: against a server of ours that knows its lines (stub.mjs), or a real one.
//
//   node page.mjs --page FOLDER --marked FILE --purify FILE [--shots FOLDER]     the page's own tests
//   node page.mjs --server URL --key KEY                                        that it works with this server
// and --only TEXT: those checks alone that have it in their name.
//
// A line for each check, "ok - " or "not ok - "; exit status 1 where one failed.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { MARKDOWN, Stub } from "./stub.mjs";

const { values: options } = parseArgs({
  options: { page: { type: "string" }, marked: { type: "string" }, purify: { type: "string" }, shots: { type: "string" }, server: { type: "string" }, chromium: { type: "string" }, key: { type: "string" }, only: { type: "string", default: "" } },
});
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await chromium.launch({ executablePath: options.chromium ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
let failed = 0;
let stub = null;

/** A page of its own, with nothing in its stores; what it complains of fails the check. */
async function check(name, work, { width = 1200, height = 800, colorScheme = "light" } = {}) {
  if (!name.includes(options.only)) return;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, acceptDownloads: true });
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const complaints = [];
  const strangers = [];
  page.on("pageerror", (e) => complaints.push(e.stack));
  page.on("console", (m) => /Content Security|Refused/i.test(m.text()) && complaints.push(m.text()));
  page.on("request", (r) => !/^(data|blob):/.test(r.url()) && !r.url().startsWith(options.server ?? stub.url) && strangers.push(r.url()));
  try {
    await page.goto(options.server ?? stub.url);
    await work(page);
    assert.deepEqual(complaints, [], "what the page complains of");
    assert.deepEqual(strangers, [], "who else was asked");
    console.log(`ok - ${name}`);
  } catch (e) {
    failed++;
    console.log(`not ok - ${name}\n${String(e.stack).replace(/^/gm, "    ")}\n    complaints: ${complaints.join("\n    ")}`);
    if (options.shots) await page.screenshot({ path: path.join(options.shots, `failed-${failed}.png`) });
  }
  await context.close();
}

const say = async (page, text) => {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
};
const done = (page) => page.locator("#send:not([hidden])").waitFor();
const answer = (page) => page.locator(".message.assistant").last();
const setting = async (page, id, value) => {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator(`#set-${id}`).fill(value);
  await page.getByRole("button", { name: "Close" }).last().click();
};
const shot = (page, name) => options.shots && page.screenshot({ path: path.join(options.shots, `${name}.png`) });

/** Until the browser's database holds conversations of these titles; "" is one without. */
async function stored(page, titles) {
  const there = () =>
    page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const open = indexedDB.open("yuzui");
          open.onerror = () => reject(open.error);
          open.onsuccess = () => {
            const all = open.result.transaction("conversations").objectStore("conversations").getAll();
            all.onsuccess = () => resolve(all.result.map((c) => c.title).sort());
          };
        }),
    );
  for (let i = 0; i < 200 && JSON.stringify(await there()) !== JSON.stringify(titles); i++) await page.waitForTimeout(25);
  assert.deepEqual(await there(), titles);
}

async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
}

async function noWiderThanTheWindow(page) {
  const wide = await page.evaluate(() => {
    const scrolls = (e) => e.closest("pre, .wide");
    return [...document.querySelectorAll("body *")].filter((e) => !scrolls(e) && e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80));
  });
  assert.deepEqual(wide, [], "what is cut at the right");
}

const own = {
  "an answer is streamed, with its figures and the share of the context": async (page) => {
    await page.locator("#model", { hasText: "stub-model" }).waitFor();
    await say(page, "hello there");
    await done(page);
    assert.equal(await answer(page).locator(".text").innerText(), "You said: hello there");
    assert.match(await answer(page).locator(".figures").innerText(), /41\.3 tokens\/s · \d+ tokens · prompt 1,000 at 813\/s/);
    assert.match(await page.locator("#context-text").innerText(), /^1,0\d\d of 4,096 tokens$/);
    assert.equal(await page.getByRole("meter").getAttribute("aria-valuenow"), "25");
    assert.equal(stub.asked.at(-1).model, "stub-model");
    assert.equal(await page.locator("#model").innerText(), "stub-model");
  },

  "Shift and Enter is a line, Enter sends, also what is longer than a line": async (page) => {
    await page.getByLabel("Message", { exact: true }).pressSequentially("one");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("two");
    await page.keyboard.press("Enter");
    await done(page);
    assert.equal(stub.asked.at(-1).messages.at(-1).content, "one\ntwo");
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "");
  },

  "markdown is shown, and nothing in it runs or asks anybody": async (page) => {
    await say(page, "markdown");
    await done(page);
    const text = answer(page).locator(".text");
    assert.equal(await text.locator("h1").innerText(), "A heading");
    assert.equal(await text.locator("li").count(), 2);
    assert.equal(await text.locator("td").count(), 2);
    assert.match(await text.locator("pre code").innerText(), /1 < 2/);
    assert.equal(await text.locator("script, img, form, input, [style], [onclick], [onerror]").count(), 0);
    assert.equal(await text.locator('[href^="javascript"]').count(), 0);
    assert.match(await text.innerText(), /<script>window\.bad = 1<\/script>/, "what is not shown as markup is letters");
    assert.equal(await text.locator("td br, td sub").count(), 2);
    assert.equal(await text.locator('a[href="https://example.org/pixel.png"]').innerText(), "remote");
    assert.equal(await text.locator('a[href="https://example.org/"]').getAttribute("rel"), "noopener noreferrer nofollow");
    assert.equal(await page.evaluate(() => window.bad), undefined);
    await text.getByRole("button", { name: "Copy this code" }).click();
    assert.match(await page.evaluate(() => navigator.clipboard.readText()), /^int a = 1 < 2/);
    await answer(page).getByRole("button", { name: "Copy the text" }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), MARKDOWN);
    await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined })); // as over plain http
    await page.locator(".message.user").getByRole("button", { name: "Copy the text" }).click();
    await page.locator(".message.user").getByRole("button", { name: "Copied" }).waitFor();
    await accessible(page);
    await shot(page, "markdown");
  },

  "what a person writes is letters": async (page) => {
    await say(page, "<img src=x onerror='window.bad=1'> **not bold**");
    await done(page);
    assert.equal(await page.locator(".message.user .text").innerText(), "<img src=x onerror='window.bad=1'> **not bold**");
    assert.equal(await page.evaluate(() => window.bad), undefined);
  },

  "thinking is folded, and goes along in the next turn": async (page) => {
    await say(page, "think of it");
    await done(page);
    const thinking = answer(page).locator("details.thinking");
    assert.equal(await thinking.getAttribute("open"), null);
    await thinking.locator("summary").click();
    assert.equal(await thinking.locator(".thought-text").innerText(), "First I look at it. Then I know.");
    assert.equal(await answer(page).locator(".text").innerText(), "It is so.");
    await shot(page, "thinking");
    await say(page, "and now");
    await done(page);
    assert.equal(stub.asked.at(-1).messages[1].reasoning_content, "First I look at it. Then I know.");
  },

  "Escape and the button stop an answer, and the server is left": async (page) => {
    for (const stop of [() => page.keyboard.press("Escape"), () => page.getByRole("button", { name: "Stop" }).click()]) {
      const left = stub.left;
      await say(page, "slow please");
      await page.getByText("word5 ").last().waitFor();
      await stop();
      await done(page);
      assert.equal(await answer(page).locator(".note").innerText(), "Stopped.");
      for (let i = 0; i < 100 && stub.left === left; i++) await page.waitForTimeout(20);
      assert.equal(stub.left, left + 1);
    }
    await say(page, "again");
    await done(page);
    assert.match(stub.asked.at(-1).messages[1].content, /^word0 /);
  },

  "an answer made again is a version of it, and both stay": async (page) => {
    await say(page, "hello");
    await done(page);
    await answer(page).getByRole("button", { name: "Answer again" }).click();
    await done(page);
    assert.equal(await answer(page).locator(".turns span").innerText(), "2/2");
    assert.equal(stub.asked.at(-1).messages.length, 1);
    await say(page, "under the second");
    await done(page);
    const first = page.locator(".message.assistant").first();
    await first.getByRole("button", { name: "The version before" }).click();
    assert.equal(await first.locator(".turns span").innerText(), "1/2");
    assert.equal(await page.locator(".message").count(), 2, "what follows belongs to its version");
    await page.keyboard.press("Enter"); // the focus is on a button that can turn
    assert.equal(await page.locator(".message").count(), 4);
  },

  "a message that is edited is a version of it, and is answered": async (page) => {
    await say(page, "first wording");
    await done(page);
    await page.locator(".message.user").getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Edit the message").fill("second wording");
    await page.keyboard.press("Enter");
    await done(page);
    assert.equal(await answer(page).locator(".text").innerText(), "You said: second wording");
    assert.equal(await page.locator(".message.user .turns span").innerText(), "2/2");
    await answer(page).getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Edit the message").fill("in other words");
    await page.getByRole("button", { name: "Keep" }).click();
    await say(page, "go on");
    await done(page);
    assert.deepEqual(stub.asked.at(-1).messages.map((m) => m.content), ["second wording", "in other words", "go on"]);
    await shot(page, "versions");
  },

  "calls of tools are shown, and their results can be typed": async (page) => {
    const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }];
    await setting(page, "tools", JSON.stringify(tools));
    await say(page, "tool please");
    await done(page);
    assert.deepEqual(stub.asked.at(-1).tools, tools);
    assert.deepEqual(await answer(page).locator(".call h3").allInnerTexts(), ["weather", "time"]);
    assert.equal(await answer(page).locator(".call pre").first().innerText(), '{\n  "city": "Berlin"\n}');
    await shot(page, "tools");
    await accessible(page);
    await page.getByLabel("Result of weather").fill("sun");
    await page.keyboard.press("Enter"); // to the next, for that has none
    await page.keyboard.type("noon");
    await page.keyboard.press("Enter");
    await done(page);
    assert.equal(await answer(page).locator(".text").innerText(), "The tools said sun and noon.");
    const sent = stub.asked.at(-1).messages;
    assert.deepEqual(sent.map((m) => m.role), ["user", "assistant", "tool", "tool"]);
    assert.equal(sent[1].content, null);
    assert.deepEqual(sent[1].tool_calls[1], { id: "call_1", type: "function", function: { name: "time", arguments: '{"zone":"CET"}' } });
    assert.deepEqual([sent[2].tool_call_id, sent[2].name], ["call_0", "weather"]);
  },

  "settings are sent, empty ones are not, wrong ones are refused": async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("System prompt").fill("Be brief.");
    await page.getByLabel("Temperature").fill("0.5");
    await page.getByLabel("Top k").fill("12");
    await page.getByLabel("Min p").fill("0,05");
    await page.getByLabel("Seed").fill("7");
    await page.getByLabel("Max tokens").fill("99");
    await page.getByLabel("Thinking").selectOption("off");
    await page.getByLabel("Top p").fill("2");
    assert.match(await page.locator("#settings-problem").innerText(), /Top p: expected a number from 0 to 1, found "2"/);
    await accessible(page);
    await shot(page, "settings");
    await page.keyboard.press("Escape");
    await say(page, "hello");
    await done(page);
    const { messages, model, stream, stream_options, ...sent } = stub.asked.at(-1);
    assert.deepEqual(sent, { temperature: 0.5, top_k: 12, min_p: 0.05, seed: 7, max_tokens: 99, chat_template_kwargs: { thinking: false, enable_thinking: false } });
    assert.deepEqual(messages, [{ role: "system", content: "Be brief." }, { role: "user", content: "hello" }]);
    assert.deepEqual([stream, stream_options], [true, { include_usage: true }]);
  },

  "a schema holds answers": async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Answers keep to a JSON schema").check();
    assert.match(await page.locator("#settings-problem").innerText(), /expected one, found none/);
    await page.getByLabel("JSON schema", { exact: true }).fill('{"type": "object"}');
    await page.getByRole("button", { name: "Close" }).last().click();
    await say(page, "who");
    await done(page);
    assert.deepEqual(stub.asked.at(-1).response_format, { type: "json_schema", json_schema: { name: "answer", strict: true, schema: { type: "object" } } });
    assert.equal((await answer(page).locator("pre").innerText()).trim(), '{\n  "name": "Hans",\n  "age": 7\n}');
  },

  "conversations are kept, renamed, exported, deleted and imported": async (page) => {
    await say(page, "about foxes");
    await done(page);
    await answer(page).getByRole("button", { name: "Answer again" }).click();
    await done(page);
    await page.getByRole("button", { name: "New conversation" }).click();
    await say(page, "about wolves");
    await done(page);
    await page.getByLabel("Title of the conversation").fill("Wolves");
    await page.keyboard.press("Enter");
    await stored(page, ["", "Wolves"]);
    await page.reload();
    await page.getByRole("button", { name: "about foxes" }).click();
    assert.equal(await answer(page).locator(".turns span").innerText(), "2/2");
    const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Export all" }).click()]);
    const file = await download.path();
    for (const name of ["about foxes", "Wolves"]) {
      await page.getByRole("button", { name, exact: true }).click();
      await page.getByRole("button", { name: "More" }).click();
      await page.getByRole("button", { name: "Delete it" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
      await page.getByRole("button", { name, exact: true }).waitFor({ state: "detached" });
    }
    await stored(page, []);
    await page.reload();
    assert.equal(await page.locator(".conversation").count(), 0);
    await page.locator("#import-file").setInputFiles(file);
    await page.getByRole("button", { name: "Wolves", exact: true }).waitFor();
    await page.getByRole("button", { name: "about foxes" }).click();
    assert.equal(await answer(page).locator(".turns span").innerText(), "2/2");
    await page.locator("#import-file").setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from('{"a": 1}') });
    assert.match(await page.locator("#banner").innerText(), /x\.json was not imported: expected/);
    assert.equal(await page.locator(".conversation").count(), 2);
  },

  "a server that goes is missed, and comes back by itself": async (page) => {
    await say(page, "slow please");
    await page.getByText("word3 ").waitFor();
    const port = stub.port;
    await stub.stop();
    await page.locator("#banner", { hasText: "does not answer" }).waitFor();
    assert.match(await answer(page).locator(".note").innerText(), /connection broke/);
    await page.getByLabel("Message", { exact: true }).fill("kept");
    assert.equal(await page.getByRole("button", { name: "Send" }).isDisabled(), true);
    await page.keyboard.press("Enter");
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "kept");
    await shot(page, "gone");
    await stub.start(port);
    await page.locator("#banner").waitFor({ state: "hidden" });
    await page.getByLabel("Message", { exact: true }).press("Enter");
    await done(page);
    assert.equal(await answer(page).locator(".text").innerText(), "You said: kept");
  },

  "an answer that breaks off, and one that is refused, say so and can be made again": async (page) => {
    await say(page, "break it");
    await page.locator(".note.problem", { hasText: "connection broke" }).waitFor();
    assert.equal(await answer(page).locator(".text").innerText(), "This is cut");
    await page.locator("#banner").waitFor({ state: "hidden" });
    await say(page, "error please");
    await page.locator(".note.problem", { hasText: "expected something else, found error" }).waitFor();
    await answer(page).getByRole("button", { name: "Answer again" }).waitFor();
  },

  "a key is asked for, and again where it is wrong": async (page) => {
    stub.key = "secret";
    try {
      await page.reload();
      await page.getByRole("textbox", { name: "Key" }).fill("wrong");
      await page.keyboard.press("Enter");
      await page.locator("#key-problem", { hasText: "missing or wrong" }).waitFor();
      await accessible(page);
      await shot(page, "key");
      await page.getByRole("textbox", { name: "Key" }).fill("secret");
      await page.keyboard.press("Enter");
      await page.locator("#model", { hasText: "stub-model" }).waitFor();
      await say(page, "hello");
      await done(page);
      assert.equal(await answer(page).locator(".text").innerText(), "You said: hello");
      assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("secret")), false);
    } finally {
      stub.key = "";
    }
  },

  "the newest is in sight, unless somebody reads above it": async (page) => {
    await say(page, "long please");
    await done(page);
    const below = () => page.evaluate(() => { const s = document.getElementById("scroll"); return s.scrollHeight - s.scrollTop - s.clientHeight; });
    assert.ok((await below()) < 40);
    assert.match(await answer(page).locator(".note").innerText(), /was cut/);
    await page.evaluate(() => (document.getElementById("scroll").scrollTop = 0));
    await page.getByRole("button", { name: "To the newest" }).click();
    assert.ok((await below()) < 40);
  },

  "everything is reached by Tab, and the focus is seen": async (page) => {
    await say(page, "hello");
    await done(page);
    const names = [];
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement;
        const style = getComputedStyle(e);
        const frame = getComputedStyle(e.closest(".entry") ?? e);
        const seen = style.outlineStyle !== "none" || frame.boxShadow !== "none";
        return { name: e.getAttribute("aria-label") ?? e.textContent.trim(), seen, body: e === document.body };
      });
      if (at.body) continue; // past the end, and round again
      assert.ok(at.seen, `the focus on "${at.name}" is not seen`);
      names.push(at.name);
    }
    for (const name of ["New conversation", "hello", "Export all", "Import", "Title of the conversation", "Settings", "Edit", "Answer again", "Copy the text", "Message", "Send"]) {
      assert.ok(names.includes(name), `${name} among ${names.join(", ")}`);
    }
  },
};

const narrow = async (page) => {
  await say(page, "markdown");
  await done(page);
  await noWiderThanTheWindow(page);
  await accessible(page);
  await shot(page, "narrow");
  await page.getByRole("button", { name: "Conversations" }).click();
  await page.getByRole("button", { name: "New conversation" }).waitFor();
  await noWiderThanTheWindow(page);
  await shot(page, "narrow-shelf");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Settings" }).click();
  await noWiderThanTheWindow(page);
  await shot(page, "narrow-settings");
};

const dark = async (page) => {
  await shot(page, "dark-empty");
  await accessible(page);
  await say(page, "markdown");
  await done(page);
  await say(page, "think of it");
  await done(page);
  await accessible(page);
  await shot(page, "dark");
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const darkPaper = await paper();
  await page.locator("#theme").click(); // light, whatever the system has
  assert.notEqual(await paper(), darkPaper);
  await page.reload();
  assert.notEqual(await paper(), darkPaper);
};

/** With a real server that asks for a key; its model may be any, so that no more is looked at than that it answers. */
const real = {
  "a real server answers, is stopped, and answers in a schema's form": async (page) => {
    await page.getByRole("textbox", { name: "Key" }).fill(options.key);
    await page.keyboard.press("Enter");
    await page.locator("#model:not(:empty)").waitFor();
    await setting(page, "max_tokens", "24");
    await say(page, "Once upon a time");
    await done(page);
    assert.notEqual((await answer(page).innerText()).trim(), "");
    assert.equal(await answer(page).locator(".note.problem").isVisible(), false);
    assert.match(await answer(page).locator(".figures").innerText(), /tokens\/s · \d+ tokens/);
    assert.match(await page.locator("#context-text").innerText(), / of [\d,]+ tokens$/);
    assert.notEqual(await page.locator("#model").innerText(), "");
    await shot(page, "real");
    await answer(page).getByRole("button", { name: "Answer again" }).click();
    await done(page);
    assert.equal(await answer(page).locator(".turns span").innerText(), "2/2");
    await setting(page, "max_tokens", "");
    await say(page, "A long tale");
    await page.waitForTimeout(400);
    await page.keyboard.press("Escape");
    await done(page);
    await setting(page, "schema", '{"type": "object", "properties": {"animal": {"enum": ["wolf", "fox"]}}, "required": ["animal"], "additionalProperties": false}');
    await page.getByRole("button", { name: "Settings" }).click();
    await page.getByLabel("Answers keep to a JSON schema").check();
    await page.keyboard.press("Escape");
    await say(page, "Which animal?");
    await done(page);
    assert.ok(["wolf", "fox"].includes(JSON.parse(await answer(page).locator("pre").innerText()).animal));
    await accessible(page);
  },
};

if (options.server) {
  for (const [name, work] of Object.entries(real)) await check(name, work);
} else {
  const files = (pathname) => {
    if (pathname === "/") return path.join(options.page, "index.html");
    if (pathname === "/page/marked.js") return options.marked;
    if (pathname === "/page/purify.js") return options.purify;
    const name = /^\/page\/([a-z]+\.(?:js|css))$/.exec(pathname)?.[1];
    return name && path.join(options.page, name);
  };
  stub = await new Stub(files).start();
  await check("the page is good before anything is said", async (page) => {
    await accessible(page);
    await shot(page, "empty");
  });
  for (const [name, work] of Object.entries(own)) await check(name, work);
  await check("it fits a telephone", narrow, { width: 360, height: 740 });
  await check("it is dark where the system is, and as it is told", dark, { colorScheme: "dark" });
  await stub.stop();
}
await browser.close();
process.exit(failed > 0 ? 1 : 0);
