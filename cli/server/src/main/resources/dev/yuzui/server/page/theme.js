// Runs before anything is painted: the page does not flash in the other colours.
"use strict";
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("yuzui-theme");
  } catch {
    // storage is forbidden; the system's colours do
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
