// The models at hand.

import { json } from "/static/api.js";
import { h, notice } from "/static/dom.js";
import { protocolOf, valueOf } from "/static/evaluate.js";

export const sizeOf = (model) =>
  model.size ? `${model.size.width}×${model.size.height}, ${model.size.channels === 1 ? "grey" : "colour"}` : `points of ${model.points}`;

export async function gallery() {
  const { models } = await json("/api/models");
  const none = notice("No models yet. Train one under Training, or start the server with a model folder: ganvas serve FOLDER", false);
  return h("section", {}, h("h1", {}, "Models"),
    h("p", { className: "faint" }, "Open one to make images with it."),
    models.length ? h("ul", { className: "cards" }, models.map(card)) : none);
}

function card(model) {
  const link = `#/model/${encodeURIComponent(model.id)}`;
  const small = model.size && model.size.width <= 64;
  const shot = model.picture
    ? h("img", { src: model.picture, alt: `Samples of ${model.id}`, loading: "lazy", className: small ? "pixels" : "" })
    : h("span", { className: "faint" }, "no picture yet");
  const samples = (one) => one.protocol.sample_count ?? 0;
  const score = model.scores.reduce((best, one) => (best && samples(best) >= samples(one) ? best : one), null); // a quick look is no better word
  return h("li", { className: "card" }, h("div", { className: "shot" }, shot),
    h("div", { className: "text" }, h("h2", {}, h("a", { href: link }, model.id)),
      h("p", { className: "faint small" }, model.title),
      h("ul", { className: "tags", "aria-label": "What it is" },
        [sizeOf(model), model.classes.length ? `${model.classes.length} classes` : null,
          ...model.abilities.filter((a) => ["translate", "judge", "like", "project"].includes(a)), model.data]
          .filter(Boolean).map((text) => h("li", {}, text))),
      h("p", { className: "small" }, score
        ? [h("strong", {}, `${score.name} ${valueOf(score)}`), h("br"), h("span", { className: "faint" }, protocolOf(score.protocol))]
        : model.best ? `While training: ${model.best}` : "No score yet"),
      h("p", { className: "faint small" }, `Licence: ${model.licence ?? "not stated"}`)));
}
