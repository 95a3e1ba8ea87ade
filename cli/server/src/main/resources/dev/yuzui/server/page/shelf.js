// The list of conversations, beside the desk or, where there is no room, over it.

import { byId, el } from "./dom.js";
import { titleOf } from "./tree.js";

export class Shelf {
  #shelf = byId("shelf");
  #shade = byId("shade");
  #opener = byId("shelf-open");
  #narrow = matchMedia("(max-width: 50rem)");

  /**
   * @param on open(id), create()
   */
  constructor(on) {
    this.on = on;
    byId("new").addEventListener("click", () => {
      this.close();
      on.create();
    });
    this.#opener.addEventListener("click", () => this.open());
    byId("shelf-close").addEventListener("click", () => this.close());
    this.#shade.addEventListener("click", () => this.close());
    this.#shelf.addEventListener("keydown", (e) => {
      if (e.key === "Escape" && this.#narrow.matches) {
        e.stopPropagation();
        this.close();
      }
    });
    this.#narrow.addEventListener("change", () => this.#lay(false));
    this.#lay(false);
  }

  open() {
    this.#lay(true);
    byId("shelf-close").focus();
  }

  close() {
    const was = this.#shelf.classList.contains("open");
    this.#lay(false);
    if (was) this.#opener.focus();
  }

  /** What is out of sight is out of reach of keys. */
  #lay(open) {
    const over = this.#narrow.matches && open;
    this.#shelf.classList.toggle("open", over);
    this.#shade.hidden = !over;
    this.#opener.setAttribute("aria-expanded", over);
    this.#shelf.inert = this.#narrow.matches && !open;
    byId("desk").inert = over;
  }

  show(conversations, current) {
    const list = byId("conversations");
    const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : "";
    list.replaceChildren(
      ...conversations.map((c) =>
        el("li", {},
          el("button", {
            type: "button",
            class: "conversation",
            "data-id": c.id,
            "aria-current": c.id === current ? "true" : null,
            text: titleOf(c),
            click: () => {
              this.close();
              this.on.open(c.id);
            },
          }))),
    );
    if (focused) list.querySelector(`[data-id="${focused}"]`)?.focus();
  }
}
