// What a person does with the page on a good day.

import assert from "node:assert/strict";
import { accessible, answer, done, say, setting, stored } from "./person.mjs";
import { MARKDOWN } from "./stub.mjs";

/**
 * @param stub the server
 * @param shot takes a picture, where pictures are wanted
 */
export const everyday = (stub, shot) => ({
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
    assert.match(await page.locator("#notice-text").innerText(), /x\.json was not imported: expected/);
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
    const top = (to) => page.evaluate((to) => { const s = document.getElementById("scroll"); if (to !== undefined) s.scrollTop = to; return s.scrollTop; }, to);
    assert.ok((await below()) < 40);
    assert.match(await answer(page).locator(".note").innerText(), /was cut/);
    await say(page, "slow please");
    await page.getByText("word20 ").waitFor();
    assert.ok((await below()) < 40, "it is followed as it grows");
    await top(100);
    await page.getByText("word60 ").waitFor();
    assert.equal(await top(), 100, "and left where somebody reads, while it grows");
    await page.getByRole("button", { name: "To the newest" }).click();
    await page.getByText("word90 ").waitFor();
    assert.ok((await below()) < 40);
    await page.keyboard.press("Escape");
    await done(page);
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
});
