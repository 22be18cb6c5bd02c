// What D says of every pixel: an image, its map, and the map as colours over the image.

import { send, sheet } from "/static/api.js";
import { cut, field, h, latest, notice } from "/static/dom.js";
import { asked, classBox, classOf, pixelated, truncationBox } from "/static/studio.js";
import { dropzone } from "/static/translate.js";

export function judge(model, state, remember) {
  const { width, height } = model.size;
  const [image, map, both] = ["The image", "Its map: white where D takes the pixel for real, black for fake", "The map as colours over the image"]
    .map((text) => h("canvas", { width, height, className: pixelated(model) ? "pixels" : "", role: "img", "aria-label": text }));
  const [shown, judged] = [image, map].map((canvas) => canvas.getContext("2d", { willReadFrequently: true }));
  const strength = h("input", { type: "range", min: 0, max: 1, step: .01, value: .6, oninput: () => overlay() });
  const stretch = h("input", { type: "checkbox", checked: true, onchange: () => overlay() });
  const seed = h("input", { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, value: state.get("seed") ?? 0, oninput: () => renew({ seed: seed.value }) });
  const about = h("p", { className: "small faint" }), range = h("p", { className: "small" }), trouble = h("div", {});
  const ends = [h("span", { className: "grow" }), h("span", {})];
  let source = null; // a picture of one's own, which is judged until a seed is asked for
  let said = null; // how real each pixel is, 0 to 1

  function overlay() {
    if (!said) return;
    const whole = [Math.min(...said), Math.max(...said)], mean = said.reduce((sum, p) => sum + p, 0) / said.length;
    const [low, high] = stretch.checked ? whole : [0, 1];
    const colours = ["--fake", "--unsure", "--real"].map((name) => rgb(getComputedStyle(both).getPropertyValue(name)));
    const pen = both.getContext("2d"), drawn = shown.getImageData(0, 0, width, height), share = Number(strength.value);
    said.forEach((p, i) => {
      const at = high > low ? 2 * (p - low) / (high - low) : 1, side = at < 1 ? 0 : 1;
      for (let c = 0; c < 3; c++) {
        const colour = colours[side][c] + (colours[side + 1][c] - colours[side][c]) * (at - side);
        drawn.data[4 * i + c] = (1 - share) * drawn.data[4 * i + c] + share * colour;
      }
    });
    pen.putImageData(drawn, 0, 0);
    range.textContent = `Pixels are ${percent(whole[0])} to ${percent(whole[1])} real to D, ${percent(mean)} on average.`;
    [low, high].forEach((end, i) => { ends[i].textContent = `${percent(end)} real`; });
  }

  function show(picture) {
    cut(picture, 2, 2, width, height).forEach((part, i) => [shown, judged][i].drawImage(part, 0, 0));
    const { data } = judged.getImageData(0, 0, width, height);
    said = Array.from({ length: width * height }, (_, i) => data[4 * i] / 255);
    const kind = classOf(state) || (model.classes.length ? `${model.classes[0]}, for no class is chosen` : "");
    about.textContent = !source ? `Seed ${seed.value}` : `A picture of your own${kind && `, judged as ${kind}`}`;
    trouble.replaceChildren();
    overlay();
  }

  const draw = latest(async (signal) => {
    if (!source && !seed.checkValidity()) return;
    try {
      if (!source) return show(await sheet(model.id, "judge", { seeds: [Number(seed.value)], ...asked(model, state) }, 2, signal));
      const label = classOf(state) ? `?label=${encodeURIComponent(classOf(state))}` : "";
      const picture = await createImageBitmap(await send(`/api/models/${model.id}/judge-picture${label}`, source, signal));
      signal.throwIfAborted();
      show(picture);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      trouble.replaceChildren(notice(error.message));
    }
  });
  const change = (values) => { remember(values); draw(); };
  const renew = (values) => { source = null; change(values); };
  const upload = (file) => { source = file; draw(); };

  const figure = (element, text) => h("figure", {}, element, h("figcaption", { className: "small faint" }, text));
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    field("Seed", seed),
    h("div", { className: "row field fill" }, h("button", { type: "button", onclick: () => { seed.value = Number(seed.value) + 1; renew({ seed: seed.value }); } }, "Next seed")),
    classBox(model, state, change, "as the seed decides"), truncationBox(state, renew),
    field("Strength of the map", strength),
    h("div", { className: "field" }, h("label", { className: "check" }, stretch, "Colours from the least to the most real pixel")),
    dropzone("A picture of your own", upload));
  draw();
  return [h("div", { className: "studio" }, h("div", {}, trouble, about,
    h("div", { className: "trio" }, figure(image, "Image"), figure(map, "Map: white real, black fake"), figure(both, "Both: orange fake, blue real")),
    range, h("div", { className: "film", "aria-hidden": "true" }, h("div", { className: "key" }), h("p", { className: "row small faint" }, ends))), panel)];
}

const percent = (share) => `${Math.round(100 * share)} %`;

// "#c2570c" -> [194, 87, 12]
const rgb = (text) => [1, 3, 5].map((at) => parseInt(text.trim().slice(at, at + 2), 16));
