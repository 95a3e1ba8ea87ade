// Uses the server's page as a person does, in Chromium: against a server of ours that knows its lines (stub.mjs), or a real one.
//
//   node page.mjs --page FOLDER --marked FILE --purify FILE [--shots FOLDER]     the page's own tests
//   node page.mjs --server URL --key KEY                                        that it works with this server
// and --only TEXT: those checks alone that have it in their name.
//
// A line for each check, "ok - " or "not ok - "; exit status 1 where one failed.

import assert from "node:assert/strict";
import path from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { everyday } from "./everyday.mjs";
import { accessible, answer, done, noWiderThanTheWindow, say, setting } from "./person.mjs";
import { Stub } from "./stub.mjs";
import { unhappy } from "./unhappy.mjs";

const { values: options } = parseArgs({
  options: { page: { type: "string" }, marked: { type: "string" }, purify: { type: "string" }, shots: { type: "string" }, server: { type: "string" }, chromium: { type: "string" }, key: { type: "string" }, only: { type: "string", default: "" } },
});
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
  page.on("console", (m) => /Content Security|Refused to/i.test(m.text()) && complaints.push(m.text()));
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

const shot = (page, name) => options.shots && page.screenshot({ path: path.join(options.shots, `${name}.png`) });

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
  for (const [name, work] of Object.entries({ ...everyday(stub, shot), ...unhappy(stub) })) await check(name, work);
  await check("it fits a telephone", narrow, { width: 360, height: 740 });
  await check("it is dark where the system is, and as it is told", dark, { colorScheme: "dark" });
  await stub.stop();
}
await browser.close();
process.exit(failed > 0 ? 1 : 0);
