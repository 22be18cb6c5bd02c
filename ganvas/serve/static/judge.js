// What D says of every pixel: an image and its map over each other.

import { send, sheet } from "/static/api.js";
import { cut, field, h, latest, notice } from "/static/dom.js";
import { asked, conditions, pixelated } from "/static/studio.js";
import { dropzone } from "/static/translate.js";

export function judge(model, state, remember) {
  const { width, height } = model.size;
  const look = pixelated(model) ? "pixels" : "";
  const pictures = [0, 1].map((i) => h("canvas", { width, height, className: look, role: "img",
    "aria-label": ["The image", "Its map: white where D takes the pixel for real, black for fake"][i] }));
  const both = h("canvas", { width, height, className: look, role: "img", "aria-label": "The map over the image" });
  const strength = h("input", { type: "range", min: 0, max: 1, step: .01, value: .5, oninput: () => overlay() });
  const seed = h("input", { type: "number", min: 0, value: state.get("seed") ?? 0, oninput: () => change({ seed: seed.value }) });
  const trouble = h("div", {});

  function overlay() {
    const pen = both.getContext("2d");
    pen.globalAlpha = 1;
    pen.drawImage(pictures[0], 0, 0);
    pen.globalAlpha = Number(strength.value);
    pen.drawImage(pictures[1], 0, 0);
  }

  function show(picture) {
    cut(picture, 2, 2, width, height).forEach((part, i) => pictures[i].getContext("2d").drawImage(part, 0, 0));
    trouble.replaceChildren();
    overlay();
  }

  const guarded = (work) => async (...given) => {
    try { await work(...given); } catch (error) { trouble.replaceChildren(notice(error.message)); }
  };
  const draw = guarded(latest(async (signal) =>
    show(await sheet(model.id, "judge", { seeds: [Number(seed.value) || 0], ...asked(model, state, 1) }, 2, signal))));
  const upload = guarded(async (file) => {
    const wanted = state.get("class");
    const address = `/api/models/${model.id}/judge-picture${wanted ? `?label=${encodeURIComponent(wanted)}` : ""}`;
    show(await createImageBitmap(await send(address, file)));
  });
  function change(values) {
    remember(values);
    draw();
  }

  const figure = (element, text) => h("figure", { className: "big" }, element, h("figcaption", { className: "small faint" }, text));
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    field("Seed", seed),
    h("div", { className: "row field" }, h("button", { type: "button", onclick: () => { seed.value = Number(seed.value) + 1; change({ seed: seed.value }); } }, "Next seed")),
    conditions(model, state, change, { one: true }).map(([label, input, more]) => h("div", {}, field(label, input), more)),
    field("Strength of the map", strength),
    dropzone("A picture of your own", upload));
  draw();
  return [h("div", { className: "studio" },
    h("div", {}, trouble, h("div", { className: "charts trio" }, figure(pictures[0], "Image"), figure(pictures[1], "Map: white real, black fake"), figure(both, "Both"))), panel)];
}
