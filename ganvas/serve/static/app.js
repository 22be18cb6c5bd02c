// Which page is shown: what stands behind # decides, so that every screen is a link.

import { signIn } from "/static/api.js";
import { h, notice, say } from "/static/dom.js";
import { gallery } from "/static/gallery.js";
import { runs } from "/static/runs.js";
import { run } from "/static/run.js";
import { described } from "/static/described.js";
import { studio } from "/static/studio.js";

const main = document.getElementById("main");
let leave = () => {};

const PAGES = [
  [/^\/$/, "gallery", () => gallery()],
  [/^\/runs$/, "runs", () => runs()],
  [/^\/runs\/([^/]+)$/, "runs", (name) => run(decodeURIComponent(name))],
  [/^\/api$/, "api", () => described()],
  [/^\/model\/([^/]+)$/, "gallery", (name, query) => studio(decodeURIComponent(name), query)],
];

async function show() {
  leave();
  leave = () => {};
  const [path, query = ""] = location.hash.slice(1).split("?");
  const found = PAGES.map(([form, nav, page]) => [(path || "/").match(form), nav, page]).find(([match]) => match);
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === found?.[1]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  try {
    const shown = found ? await found[2](...found[0].slice(1), new URLSearchParams(query)) : notice("There is no such page.");
    const [content, leaving] = Array.isArray(shown) ? shown : [shown, () => {}];
    main.replaceChildren(content);
    leave = leaving;
  } catch (error) {
    const back = h("p", {}, h("a", { href: "#/" }, "All models"));
    main.replaceChildren(h("div", {}, notice(error.message), error.status === 401 ? tokenForm() : back));
  }
  const title = main.querySelector("h1")?.textContent;
  document.title = title ? `${title} · ganvas` : "ganvas";
  if (title) say(title);
}

function tokenForm() {
  const input = h("input", { type: "password", autocomplete: "current-password", "aria-label": "Token" });
  const enter = (event) => {
    event.preventDefault();
    location.hash = `#token=${encodeURIComponent(input.value)}`;
    location.reload();
  };
  return h("form", { className: "row", onsubmit: enter }, input, h("button", { type: "submit" }, "Sign in"));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
theme(localStorage.getItem("theme") ?? (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => localStorage.getItem("theme") ?? theme(dark.matches ? "dark" : "light"));
document.getElementById("theme").addEventListener("click", () => {
  const other = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", other);
  theme(other);
});
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
window.addEventListener("hashchange", show);
try { await signIn(); } catch (error) { say(error.message); }
show();
