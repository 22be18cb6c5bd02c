// One model: a tab for each thing it can do.  The state stands in the address.

import { json } from "/static/api.js";
import { copyText, h, notice, say } from "/static/dom.js";
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
    buttons[at].scrollIntoView({ block: "nearest", inline: "nearest" });
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
    if (await copyText(location.href)) say("The link is copied: it shows this screen again");
  } }, "Copy link");
  const page = h("section", {},
    h("div", { className: "row" }, h("div", { className: "grow" }, h("h1", {}, model.id),
      h("p", { className: "faint" }, [model.title, sizeOf(model), model.data, `licence ${model.licence ?? "not stated"}`].filter(Boolean).join(" · "))), link),
    h("div", { className: "tabs", role: "tablist", "aria-label": "What to do" }, buttons), panel);
  open(state.get("tab") ?? tabs[0][0]);
  return [page, () => close()];
}

// The controls that all kinds of samples share.  -> elements, and what they say
export function conditions(model, state, changed, options = {}) {
  const parts = [];
  if (model.classes.length) {
    const names = [["", options.one ? "as the seed decides" : "each as its seed decides"],
      ...(options.one ? [] : [["*", "every class in turn"]]), ...model.classes.map((name) => [name, name])];
    const box = h("select", { onchange: () => changed({ class: box.value }) },
      names.map(([key, text]) => h("option", { value: key, selected: key === (state.get("class") ?? "") }, text)));
    parts.push(["Class", box]);
  }
  const range = h("input", { type: "range", min: .05, max: 1.5, step: .05, value: state.get("truncation") ?? 1,
    oninput: () => { on.checked = true; shown(); changed({ truncation: range.value }); } });
  const on = h("input", { type: "checkbox", checked: state.has("truncation"), "aria-label": "Truncate",
    onchange: () => { shown(); changed({ truncation: on.checked ? range.value : null }); } });
  const said = h("output", { className: "small" });
  const shown = () => { said.textContent = on.checked ? Number(range.value).toFixed(2) : "off"; };
  shown();
  parts.push(["Truncation: less variety, cleaner images", range, h("span", { className: "row toggle" }, on, said)]);
  return parts;
}

export function asked(model, state, n) {
  const body = {};
  const wanted = state.get("class");
  if (wanted === "*") body.classes = Array.from({ length: n }, (_, i) => model.classes[i % model.classes.length]);
  else if (wanted) body.classes = [wanted];
  if (state.has("truncation")) body.truncation = Number(state.get("truncation"));
  return body;
}

export const pixelated = (model) => model.size && Math.max(model.size.width, model.size.height) <= 64;

export { notice };
