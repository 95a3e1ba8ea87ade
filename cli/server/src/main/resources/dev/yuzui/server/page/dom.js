// Makes and finds elements. Text is always text: nothing here parses markup.

export const byId = (id) => document.getElementById(id);

/** An element; a prop that is a function listens, "class" and "text" are what they say, others are attributes. */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (name === "class") element.className = value;
    else if (name === "text") element.textContent = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function quietButton(text, label, click) {
  return el("button", { type: "button", class: "quiet", "aria-label": label === text ? null : label, text, click });
}

/** Over plain http from another machine a browser has no clipboard but the old command's. */
async function copied(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = el("textarea", { class: "unseen", "aria-hidden": "true" });
  const before = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus();
  return done;
}

/** Says itself whether it was done. */
export function copyButton(label, text) {
  const button = quietButton("Copy", label, async () => {
    const said = (await copied(text())) ? "Copied" : "Not copied";
    button.textContent = said;
    button.setAttribute("aria-label", said);
    announce(said);
    setTimeout(() => {
      button.textContent = "Copy";
      button.setAttribute("aria-label", label);
    }, 1500);
  });
  return button;
}

/** Whether a key is for a composition of letters (an IME's); Safari's Enter that ends one says so by its code alone. */
export const composing = (e) => e.isComposing || e.keyCode === 229;

/** As high as its text, up to a part of the window. */
export function grow(area, most = 0.4) {
  area.style.height = "auto";
  area.style.height = Math.min(area.scrollHeight + 2, window.innerHeight * most) + "px";
}

/** What a screen reader says next. */
export function announce(text) {
  byId("status").textContent = text;
}

export function saveFile(name, text) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
