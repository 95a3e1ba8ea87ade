// What a person does at the wrong time, in two windows, or with a browser, a file or a server that is not as it should be.

import assert from "node:assert/strict";
import { accessible, answer, done, kept, say, setting, stored } from "./person.mjs";

const message = (page) => page.getByLabel("Message", { exact: true });
const conversation = (page, name) => page.locator(".conversation", { hasText: name });
const focused = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.tagName);

async function deleteIt(page) {
  await page.getByRole("button", { name: "More" }).click();
  await page.getByRole("button", { name: "Delete it" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
}

const importText = (page, name, text) => page.locator("#import-file").setInputFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });

const file = (nodes) =>
  JSON.stringify({
    format: "yuzui-conversations",
    conversations: [{ version: 1, title: "Odd", created: 1, updated: 1, settings: {}, root: { children: ["a"], shown: 0 }, nodes }],
  });

/**
 * @param stub the server
 */
export const unhappy = (stub) => ({
  "what is deleted while it is answered stays deleted": async (page) => {
    await say(page, "slow please");
    await page.getByText("word3 ").waitFor();
    await deleteIt(page);
    await page.locator(".message").first().waitFor({ state: "detached" });
    await done(page);
    await page.waitForTimeout(300); // for what might still be stored
    assert.equal(await page.locator(".conversation").count(), 0);
    await stored(page, []);
    await say(page, "hello"); // and the page goes on
    await done(page);
    await stored(page, [""]);
  },

  "the way past everything leads to the message field, and no address that is not one leads away": async (page) => {
    await say(page, "hello");
    await done(page);
    const address = page.url();
    await page.locator("#skip").press("Enter");
    assert.equal(await focused(page), "said");
    await page.evaluate(() => (location.hash = "#nothing-of-that-name"));
    await page.waitForURL(address);
    assert.equal(await page.locator(".message").count(), 2);
  },

  "two windows show and keep what was said in both": async (page) => {
    await say(page, "hello");
    await done(page);
    await stored(page, [""]);
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByText("You said: hello").waitFor();
    await say(other, "from the other");
    await page.getByText("You said: from the other").waitFor();
    await other.getByLabel("Title of the conversation").fill("Both");
    await other.keyboard.press("Enter");
    await conversation(page, "Both").waitFor();

    await page.reload();
    await page.getByText("You said: from the other").waitFor();
    assert.equal(await page.locator(".message").count(), 4);

    await say(page, "slow please");
    await other.getByText("word5 ").waitFor();
    await deleteIt(other);
    await conversation(page, "Both").waitFor({ state: "detached" });
    assert.equal(await page.locator(".message").count(), 0);
    await done(page);
    await page.waitForTimeout(300); // for what might still be stored
    await stored(page, []);
  },

  "two windows that do not hear each other overwrite nothing": async (page) => {
    await page.context().addInitScript(() => delete window.BroadcastChannel);
    await page.reload();
    await say(page, "hello");
    await done(page);
    await stored(page, [""]);
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByText("You said: hello").waitFor();
    await say(other, "in the one");
    await done(other);
    await other.getByText("You said: in the one").waitFor();
    await kept(other, "You said: in the one");
    await say(page, "in the other");
    await done(page);
    await kept(page, "You said: in the other");
    await page.reload();
    await page.getByText("You said: hello").waitFor();
    assert.match(await page.locator(".message.user").last().locator(".turns span").innerText(), /^[12]\/2$/);
    await deleteIt(page);
    await stored(page, []);
    await say(other, "once more");
    await done(other);
    await stored(other, []);
  },

  "an edit waits until the answer that is being made is done": async (page) => {
    await say(page, "first wording");
    await done(page);
    await page.locator(".message.user").getByRole("button", { name: "Edit" }).click();
    await page.getByLabel("Edit the message").fill("second wording");
    await say(page, "slow please");
    await page.getByText("word3 ").waitFor();
    await page.getByLabel("Edit the message").press("Enter");
    const send = page.locator(".editing").getByRole("button", { name: "Send" });
    assert.equal(await send.isDisabled(), true);
    assert.equal(await page.getByLabel("Edit the message").inputValue(), "second wording");
    await page.getByRole("button", { name: "Stop" }).click();
    await done(page);
    await send.click();
    await page.getByText("You said: second wording").waitFor();
    await done(page);
    assert.equal(await page.locator(".message").count(), 2);
  },

  "a browser that keeps nothing says so, and all else works": async (page) => {
    stub.key = "secret";
    try {
      await page.addInitScript(() => {
        for (const name of ["sessionStorage", "localStorage", "indexedDB"]) {
          Object.defineProperty(window, name, { get: () => { throw new DOMException("forbidden", "SecurityError"); } });
        }
      });
      await page.reload();
      await page.getByRole("textbox", { name: "Key" }).fill("secret");
      await page.keyboard.press("Enter");
      await page.locator("#model", { hasText: "stub-model" }).waitFor();
      assert.match(await page.locator("#mode").innerText(), /keeps no conversations/);
      await say(page, "hello");
      await done(page);
      assert.equal(await answer(page).locator(".text").innerText(), "You said: hello");
      assert.match(await page.locator("#mode").innerText(), /keeps no conversations/);
      await importText(page, "one.json", file({ a: { role: "user", content: "of a file", children: [], shown: 0 } }));
      await page.locator(".message.user", { hasText: "of a file" }).waitFor();
      await conversation(page, "hello").click();
      await page.getByText("You said: hello").waitFor();
    } finally {
      stub.key = "";
    }
  },

  "what is said before the browser's database opens is answered and kept": async (page) => {
    await say(page, "an old one");
    await done(page);
    await stored(page, [""]);
    await page.addInitScript(() => {
      const open = IDBFactory.prototype.open;
      const slow = function (name) {
        const made = {};
        setTimeout(() => {
          const request = open.call(this, name);
          request.onsuccess = () => { made.result = request.result; made.onsuccess(); };
        }, 1500);
        return made;
      };
      IDBFactory.prototype.open = function (...given) { IDBFactory.prototype.open = open; return slow.apply(this, given); };
    });
    await page.goto(stub.url);
    await say(page, "quickly");
    await page.getByText("You said: quickly").waitFor();
    await conversation(page, "an old one").waitFor();
    assert.equal(await answer(page).locator(".text").innerText(), "You said: quickly");
    await stored(page, ["", ""]);
  },

  "a number with a comma is no smaller number": async (page) => {
    await page.getByRole("button", { name: "Settings" }).click();
    for (const wrong of ["1,000", "1.000", "1e3"]) {
      await page.getByLabel("Max tokens").fill(wrong);
      assert.match(await page.locator("#settings-problem").innerText(), /^Max tokens: expected a whole number, .* found "1/);
    }
    await page.getByLabel("Top p").fill("0,5");
    await page.keyboard.press("Escape");
    await say(page, "hello");
    await done(page);
    assert.equal(stub.asked.at(-1).max_tokens, undefined);
    assert.equal(stub.asked.at(-1).top_p, 0.5);
  },

  "a call that was cut is not sent, whatever cut it": async (page) => {
    const goesOn = async () => {
      await done(page);
      assert.equal(await answer(page).locator(".call:visible").count(), 0);
      assert.equal(await page.locator(".results").count(), 0);
      await say(page, "go on");
      await page.getByText("You said: go on").waitFor();
      await done(page);
      const [, cut] = stub.asked.at(-1).messages;
      assert.deepEqual(cut, { role: "assistant", content: "Let me look." });
      await page.getByRole("button", { name: "New conversation" }).click();
    };
    await say(page, "cut by its length");
    await goesOn();
    await say(page, "hang up");
    await page.locator(".call", { hasText: '{"up' }).waitFor();
    await page.keyboard.press("Escape");
    await goesOn();
    await say(page, "hang on");
    await kept(page, '{"on');
    await page.reload();
    await page.getByText("Let me look.").waitFor();
    await goesOn();
  },

  "a model without a switch for thinking is not told to think, and the next one is": async (page) => {
    const model = async (switches) => {
      stub.switches = switches;
      await page.reload();
      await page.locator("#model", { hasText: "stub-model" }).waitFor();
    };
    try {
      await page.getByRole("button", { name: "Settings" }).click();
      await page.getByLabel("Thinking").selectOption("on");
      await page.keyboard.press("Escape");
      await say(page, "hello");
      await done(page);
      assert.equal(stub.asked.at(-1).chat_template_kwargs.thinking, true);
      await kept(page, "You said: hello");
      await model(false);
      await setting(page, "seed", "5");
      await say(page, "hello again");
      await done(page);
      assert.deepEqual([stub.asked.at(-1).seed, stub.asked.at(-1).chat_template_kwargs], [5, undefined]);
      await kept(page, "You said: hello again");
      await model(true);
      await say(page, "and again");
      await done(page);
      assert.equal(stub.asked.at(-1).chat_template_kwargs.thinking, true);
    } finally {
      stub.switches = true;
    }
  },

  "a file with odd figures is read as far as they are figures, and one that goes in circles is refused": async (page) => {
    const odd = {
      a: { role: "user", content: "asked", children: ["b"], shown: 0 },
      b: {
        role: "assistant", content: "answered", children: [], shown: 0,
        timings: { predicted_per_second: "fast", prompt_per_second: {}, prompt_n: 3 }, usage: { completion_tokens: 4, total_tokens: ["7"] },
      },
    };
    await importText(page, "odd.json", file(odd));
    await page.getByText("answered").waitFor();
    assert.equal((await answer(page).locator(".figures").innerText()).trim(), "4 tokens");
    await say(page, "go on");
    await page.getByText("You said: go on").waitFor();
    await importText(page, "circle.json", file({ a: { role: "user", content: "round", children: [["a"]], shown: 0 } }));
    await page.locator("#notice", { hasText: "circle.json was not imported" }).waitFor();
  },

  "what could not be imported is said until somebody has read it": async (page) => {
    await importText(page, "x.json", '{"a": 1}');
    await page.locator("#notice", { hasText: "x.json was not imported" }).waitFor();
    const looked = page.waitForResponse(/health/);
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await looked;
    await page.waitForTimeout(200);
    assert.equal(await page.locator("#notice").isVisible(), true);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await accessible(page);
    }
    await page.locator("#notice").getByRole("button", { name: "Close" }).click();
    assert.equal(await page.locator("#notice").isVisible(), false);
  },

  "a server that loads its model and one that shuts down are told apart": async (page) => {
    try {
      for (const [code, says] of [["shutting_down", /is shutting down/], ["model_loading", /is loading its model/]]) {
        stub.ill = { status: 503, code };
        await page.evaluate(() => dispatchEvent(new Event("online")));
        await page.locator("#banner", { hasText: says }).waitFor();
      }
    } finally {
      stub.ill = null;
    }
    await page.locator("#banner").waitFor({ state: "hidden" });
  },

  "a key that was typed and then let be is not used": async (page) => {
    stub.key = "secret";
    try {
      await page.reload();
      await page.getByRole("textbox", { name: "Key" }).fill("secret");
      await page.keyboard.press("Escape");
      await page.locator("#key").waitFor({ state: "hidden" });
      await page.waitForTimeout(200);
      assert.equal(await page.evaluate(() => JSON.stringify(sessionStorage)), "{}");
      assert.equal(await page.locator("#model").innerText(), "");
    } finally {
      stub.key = "";
    }
  },

  "Enter and Escape that end a composition of letters do nothing else": async (page) => {
    const composes = (label, key) =>
      page.getByLabel(label, { exact: true }).evaluate((area, key) => {
        area.dispatchEvent(new KeyboardEvent("keydown", { key, keyCode: 229, bubbles: true, cancelable: true }));
      }, key);
    const before = stub.asked.length;
    await message(page).fill("ni hao");
    await composes("Message", "Enter");
    assert.equal(await message(page).inputValue(), "ni hao");
    await message(page).press("Enter");
    await done(page);
    assert.equal(stub.asked.length, before + 1);
    await page.locator(".message.user").getByRole("button", { name: "Edit" }).click();
    for (const key of ["Enter", "Escape"]) await composes("Edit the message", key);
    assert.equal(await page.getByLabel("Edit the message").isVisible(), true);
    await say(page, "slow please");
    await page.getByText("word3 ").waitFor();
    await composes("Message", "Escape");
    await page.getByText("word9 ").waitFor();
    await page.keyboard.press("Escape");
    await done(page);
  },

  "a click on the conversation that is open lets its answer go on": async (page) => {
    await say(page, "slow please");
    await page.getByText("word3 ").waitFor();
    await conversation(page, "slow please").click();
    await page.getByText("word12 ").waitFor();
    await page.keyboard.press("Escape");
    await done(page);
  },

  "a link whose address comes later becomes one": async (page) => {
    await say(page, "reference please");
    await done(page);
    assert.equal(await answer(page).locator('.text a[href="https://example.org/later"]').innerText(), "a");
  },

  "the focus stays on the page whatever was pressed": async (page) => {
    await say(page, "hello");
    await done(page);
    await answer(page).getByRole("button", { name: "Answer again" }).press("Enter");
    assert.equal(await focused(page), "said");
    await done(page);
    await page.locator(".message.user").getByRole("button", { name: "Edit" }).press("Enter");
    await page.getByLabel("Edit the message").fill("slow please");
    await page.locator(".editing").getByRole("button", { name: "Send" }).press("Enter");
    assert.equal(await focused(page), "said");
    await page.getByText("word3 ").waitFor();
    await page.getByRole("button", { name: "Stop" }).press("Enter");
    await done(page);
    assert.equal(await focused(page), "said");
    await answer(page).getByRole("button", { name: "Edit" }).press("Enter");
    await page.getByLabel("Edit the message").fill("in other words");
    await page.locator(".editing").getByRole("button", { name: "Keep" }).press("Enter");
    assert.equal(await focused(page), "said");
    await conversation(page, "slow please").focus();
    await page.evaluate(() => dispatchEvent(new Event("online")));
    await page.waitForTimeout(200);
    assert.equal(await focused(page), "BUTTON");
  },
});
