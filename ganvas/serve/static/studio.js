// One model: a tab for each thing it can do.  The state stands in the address.

import { json } from "/static/api.js";
import { copyText, field, h, say, select } from "/static/dom.js";
import { sizeOf } from "/static/gallery.js";
import { about } from "/static/about.js";
import { between } from "/static/between.js";
import { evaluate } from "/static/evaluate.js";
import { judge } from "/static/judge.js";
import { like } from "/static/like.js";
import { project } from "/static/project.js";
import { samples } from "/static/samples.js";
import { translate } from "/static/translate.js";

const TABS = [
  ["sample", "Samples", samples],
  ["mix", "Between", between],
  ["like", "Like a picture", like],
  ["project", "Project", project],
  ["judge", "Judge", judge],
  ["translate", "Translate", translate],
  ["evaluate", "Scores", evaluate],
  ["about", "About", about],
];

export async function studio(name, query) {
  const model = await json(`/api/models/${encodeURIComponent(name)}`);
  const tabs = TABS.filter(([key]) => ["evaluate", "about"].includes(key) || model.abilities.includes(key))
    .filter(([key]) => model.size || ["sample", "evaluate", "about"].includes(key));
  const panel = h("div", { role: "tabpanel", id: "panel", tabIndex: -1 });
  const state = new URLSearchParams(query);
  const remember = (changes) => {
    for (const [key, value] of Object.entries(changes)) {
      if (value === null || value === undefined || value === "") state.delete(key);
      else state.set(key, value);
    }
    history.replaceState(null, "", `#/model/${encodeURIComponent(name)}?${state}`);
  };
  let close = () => {};
  const buttons = tabs.map(([key, text]) => h("button", { type: "button", role: "tab", id: `tab-${key}`, "aria-controls": "panel",
    onclick: () => open(key), onkeydown: (event) => walk(event, key) }, text));

  function open(key) {
    close();
    const at = Math.max(0, tabs.findIndex(([other]) => other === key));
    buttons.forEach((button, i) => {
      button.setAttribute("aria-selected", String(i === at));
      button.tabIndex = i === at ? 0 : -1;
    });
    requestAnimationFrame(() => buttons[at].scrollIntoView({ block: "nearest", inline: "center" })); // once it is on the page
    panel.setAttribute("aria-labelledby", `tab-${tabs[at][0]}`);
    remember({ tab: tabs[at][0] });
    const [content, closing] = tabs[at][2](model, state, remember, open);
    panel.replaceChildren(content);
    close = closing ?? (() => {});
  }

  function walk(event, key) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const at = tabs.findIndex(([other]) => other === key);
    const next = (at + step + tabs.length) % tabs.length;
    open(tabs[next][0]);
    buttons[next].focus();
  }

  const link = h("button", { type: "button", className: "quiet", onclick: async () => {
    if (!(await copyText(location.href))) return;
    say("The link is copied: it shows this screen again");
    link.textContent = "✓ Copied";
    setTimeout(() => { link.textContent = "Copy link"; }, 2000);
  } }, "Copy link");
  const page = h("section", {},
    h("div", { className: "row" }, h("div", { className: "grow" }, h("h1", {}, model.id),
      h("p", { className: "faint" }, [model.title, sizeOf(model), model.data, `licence ${model.licence ?? "not stated"}`].filter(Boolean).join(" · "))), link),
    h("div", { className: "tabs", role: "tablist", "aria-label": "What to do" }, buttons), panel);
  open(state.get("tab") ?? tabs[0][0]);
  return [page, () => close()];
}

// The choice of a class; null where there are none.  none: what the empty choice says; every: one of each in turn too
export function classBox(model, state, changed, none, every = false) {
  if (!model.classes.length) return null;
  const names = [["", none], ...(every ? [["*", "every class in turn"]] : []), ...model.classes.map((name) => [name, name])];
  return field("Class", select(names, every ? state.get("class") ?? "" : classOf(state), (value) => changed({ class: value })));
}

// The class that is asked for, where one image is made: "" is none.
export const classOf = (state) => (state.get("class") === "*" ? "" : state.get("class") ?? "");

export function truncationBox(state, changed) {
  const given = state.get("truncation");
  const said = h("output", { className: "small" });
  const tell = () => {
    said.textContent = on.checked ? Number(range.value).toFixed(2) : "off";
    range.classList.toggle("off", !on.checked);
  };
  const told = () => { tell(); changed({ truncation: on.checked ? range.value : null }); };
  const on = h("input", { type: "checkbox", checked: given !== null, onchange: told });
  const range = h("input", { type: "range", min: .05, max: Math.max(1, Number(given)), step: .05, value: given ?? .7,
    "aria-label": "Truncation: less variety, cleaner images", oninput: () => { on.checked = true; told(); } });
  tell();
  return h("div", { className: "field" }, h("div", { className: "line-of" }, h("label", { className: "check grow" }, on, "Truncation"), said),
    range, h("span", { className: "faint small" }, "Less variety, cleaner images"));
}

// What the address says of class and truncation, as a request has it.  every: of n images
export function asked(model, state, n = 1, every = false) {
  const body = {};
  const wanted = every ? state.get("class") : classOf(state);
  if (wanted === "*") body.classes = Array.from({ length: n }, (_, i) => model.classes[i % model.classes.length]);
  else if (wanted) body.classes = [wanted];
  if (state.has("truncation")) body.truncation = Number(state.get("truncation"));
  return body;
}

export const pixelated = (model) => model.size && Math.max(model.size.width, model.size.height) <= 64;
