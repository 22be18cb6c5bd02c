// What a model is: card, scores with their protocol, how to call it.

import { ask } from "/static/api.js";
import { h } from "/static/dom.js";

export function about(model) {
  const card = h("pre", { tabIndex: 0, "aria-label": "Card" }, "…");
  ask(`/api/models/${model.id}/card`).then((response) => response.text()).then((text) => { card.textContent = text; }, (error) => { card.textContent = error.message; });
  const rows = [["Paper", model.title], ["Preset", model.preset], ["Data", model.data], ["Licence", model.licence ?? "not stated"],
    ["Images seen in training", model.images_seen?.toLocaleString("en")],
    ["Parameters", Object.entries(model.parameters).map(([name, n]) => `${name} ${n.toLocaleString("en")}`).join(", ")],
    ["Best while training", model.best], ["Made by", model.made_by], ...model.notes.map((note) => ["Note", note])].filter(([, value]) => value);
  const call = model.abilities.includes("sample")
    ? `curl -o out.png '${location.origin}/api/models/${model.id}/sample?seed=0&n=4'`
    : `curl -o out.png -F file=@photo.jpg '${location.origin}/api/models/${model.id}/translate?to=b'`;
  return [h("div", {},
    h("div", { className: "scroll" }, h("table", {}, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))))),
    h("h2", {}, "Scores"), scores(model),
    h("h2", {}, "Use it"), h("pre", {}, `${model.example}\n${call}`),
    h("h2", {}, "Card"), card)];
}

function scores(model) {
  if (!model.scores.length) return h("p", { className: "faint" }, "No score lies in the folder: ganvas evaluate MODEL --data DATA --json MODEL/scores.json");
  const protocol = (p) => `${p.reference ?? ""} ${p.split ?? ""}, ${p.sample_count ?? 0} samples against ${p.reference_count ?? 0}, ` +
    `${p.features ? `features ${p.features}` : "no features"}${p.truncation ? `, truncation ${p.truncation}` : ""}`;
  return h("div", { className: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Score", "Value", "Protocol"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, model.scores.map((score) => h("tr", {}, h("td", {}, score.name),
      h("td", {}, `${score.value?.toPrecision(4)}${score.spread ? ` ± ${score.spread.toPrecision(2)}` : ""}`),
      h("td", { className: "small" }, protocol(score.protocol)))))));
}
