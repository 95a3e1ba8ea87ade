// Markdown of an answer, by marked, cleaned by DOMPurify. Block by block: while an answer grows only its last block is made again.

import { copyButton } from "./dom.js";
import { Marked } from "./marked.js";
import DOMPurify from "./purify.js";

/** Markup that a model means as form; all other is shown as the letters it is, not dropped. */
const FORM = /^<\/?(?:br|b|i|u|s|em|strong|sub|sup|kbd|mark|small|details|summary)\s*\/?>$/i;

const letters = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const marked = new Marked({
  gfm: true,
  renderer: {
    html: ({ text, block }) => {
      const known = (text.match(/<[^>]*>?/g) ?? []).every((tag) => FORM.test(tag));
      return known ? text : block ? `<p>${letters(text.trim()).replaceAll("\n", "<br>")}</p>` : letters(text);
    },
  },
});

const CLEAN = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: ["style", "form", "input", "button", "textarea", "select", "option", "audio", "video", "picture", "source", "dialog"],
  FORBID_ATTR: ["style", "class", "id", "name", "srcset", "tabindex", "contenteditable", "autofocus"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

// A model's text must not make the browser ask anybody for anything, and a heading in it is none of the page's.
DOMPurify.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName === "A") {
    node.setAttribute("target", "_blank");
    node.setAttribute("rel", "noopener noreferrer nofollow");
  } else if (node.tagName === "IMG" && !/^data:image\//i.test(node.getAttribute("src") ?? "")) {
    const address = node.getAttribute("src") ?? "";
    const link = document.createElement(/^https?:/i.test(address) ? "a" : "span");
    if (link.tagName === "A") {
      link.href = address;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
    }
    link.textContent = node.getAttribute("alt") || address || "image";
    node.replaceWith(link);
  }
});

function block(token, links) {
  const tokens = [token];
  tokens.links = links;
  const made = document.createElement("div");
  made.append(DOMPurify.sanitize(marked.parser(tokens), CLEAN));
  for (const code of made.querySelectorAll("pre")) dress(code);
  for (const table of made.querySelectorAll("table")) wrap(table);
  return made;
}

/** A block of code can be copied, and scrolled by keys. */
function dress(pre) {
  pre.tabIndex = 0;
  const frame = document.createElement("div");
  frame.className = "pre";
  const copy = copyButton("Copy this code", () => pre.textContent);
  copy.classList.add("copy");
  pre.replaceWith(frame);
  frame.append(pre, copy);
}

function wrap(table) {
  const frame = document.createElement("div");
  frame.className = "wide";
  frame.tabIndex = 0;
  table.replaceWith(frame);
  frame.append(table);
}

/** Shows texts in an element, the next mostly the last one and more. */
export class Markdown {
  #target;
  #raws = [];
  #links = "";

  constructor(target) {
    this.#target = target;
  }

  show(text) {
    const tokens = marked.lexer(text);
    const links = JSON.stringify(tokens.links); // where [a][1] leads stands in any later block
    tokens.forEach((token, i) => {
      if (this.#raws[i] === token.raw && this.#links === links) return;
      const made = block(token, tokens.links);
      if (i < this.#raws.length) this.#target.children[i].replaceWith(made);
      else this.#target.append(made);
      this.#raws[i] = token.raw;
    });
    this.#links = links;
    while (this.#raws.length > tokens.length) {
      this.#target.lastElementChild.remove();
      this.#raws.pop();
    }
  }
}
