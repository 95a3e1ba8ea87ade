// What the page asks, and what it says beside the messages.

import { key, setKey } from "./api.js";
import { byId } from "./dom.js";

/** What it was closed by: the value of a button, or "" for the Escape key. */
export function dialog(element) {
  return new Promise((resolve) => {
    element.returnValue = "";
    element.addEventListener("close", () => resolve(element.returnValue), { once: true });
    element.showModal();
  });
}

let asking = null;

/** Whether a key was given; who asks meanwhile waits for the same. */
export function askKey(problem) {
  asking ??= (async () => {
    byId("key-problem").textContent = key() ? problem : "";
    byId("key-value").value = "";
    const said = await dialog(byId("key"));
    asking = null;
    const value = said === "use" ? byId("key-value").value.trim() : "";
    if (value) setKey(value);
    return value !== "";
  })();
  return asking;
}

/** Until it is closed, or something else is to be said; "": nothing is. */
export function notice(text) {
  byId("notice-text").textContent = text;
  byId("notice").hidden = text === "";
}

byId("notice-close").addEventListener("click", () => {
  notice("");
  byId("said").focus();
});
