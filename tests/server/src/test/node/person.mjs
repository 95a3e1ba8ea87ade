// What a person does with the page, and what can be asked of all that it shows.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export const say = async (page, text) => {
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
};
export const done = (page) => page.locator("#send:not([hidden])").waitFor();
export const answer = (page) => page.locator(".message.assistant").last();
export const setting = async (page, id, value) => {
  await page.getByRole("button", { name: "Settings" }).click();
  await page.locator(`#set-${id}`).fill(value);
  await page.getByRole("button", { name: "Close" }).last().click();
};

const inDatabase = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const open = indexedDB.open("yuzui");
        open.onerror = () => reject(open.error);
        open.onsuccess = () => {
          const all = open.result.transaction("conversations").objectStore("conversations").getAll();
          all.onsuccess = () => resolve(all.result);
        };
      }),
  );

/** Until the browser's database holds conversations of these titles; "" is one without. */
export async function stored(page, titles) {
  const there = async () => (await inDatabase(page)).map((c) => c.title).sort();
  for (let i = 0; i < 200 && JSON.stringify(await there()) !== JSON.stringify(titles); i++) await page.waitForTimeout(25);
  assert.deepEqual(await there(), titles);
}

/** Until the browser's database holds a text. */
export async function kept(page, text) {
  const there = async () => JSON.stringify(await inDatabase(page)).includes(JSON.stringify(text).slice(1, -1));
  for (let i = 0; i < 200 && !(await there()); i++) await page.waitForTimeout(25);
  assert.equal(await there(), true, text);
}

export async function accessible(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  const serious = violations.filter((v) => ["serious", "critical"].includes(v.impact));
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
}

export async function noWiderThanTheWindow(page) {
  const wide = await page.evaluate(() => {
    const scrolls = (e) => e.closest("pre, .wide");
    return [...document.querySelectorAll("body *")].filter((e) => !scrolls(e) && e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 80));
  });
  assert.deepEqual(wide, [], "what is cut at the right");
}
