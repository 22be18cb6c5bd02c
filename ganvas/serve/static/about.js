// What a model is: card, scores with their protocol, how to call it.

import { ask } from "/static/api.js";
import { card } from "/static/card.js";
import { h, notice } from "/static/dom.js";
import { scores } from "/static/evaluate.js";

export function about(model) {
  const place = h("div", { className: "panel" }, "…");
  ask(`/api/models/${model.id}/card`).then((response) => response.text()).then((text) => place.replaceChildren(...card(text)), (error) => place.replaceChildren(notice(error.message)));
  const rows = [["Paper", model.title], ["Preset", model.preset], ["Data", model.data], ["Licence", model.licence ?? "not stated"],
    ["Images seen in training", model.images_seen?.toLocaleString("en")],
    ["Parameters", Object.entries(model.parameters).map(([name, n]) => `${name} ${n.toLocaleString("en")}`).join(", ")],
    ["Best while training", model.best], ["Made by", model.made_by], ...model.notes.map((note) => ["Note", note])].filter(([, value]) => value);
  const call = model.abilities.includes("sample")
    ? `curl -o out.png '${location.origin}/api/models/${model.id}/sample?seed=0&n=4'`
    : `curl -o out.png -F file=@photo.jpg '${location.origin}/api/models/${model.id}/translate?to=b'`;
  return [h("div", {},
    h("div", { className: "scroll" }, h("table", {}, h("tbody", {}, rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))))),
    h("h2", {}, "Scores"), scores(model.scores),
    h("h2", {}, "Use it"), h("pre", {}, `${model.example}\n${call}`),
    h("h2", {}, "Card"), place)];
}
