// Photo in, photo out: a place to drop a picture, and a slider between before and after.

import { send } from "/static/api.js";
import { field, h, latest, notice, save, say } from "/static/dom.js";
import { pixelated } from "/static/studio.js";

export function dropzone(text, chosen) {
  const input = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp", className: "unseen",
    "aria-label": text, onchange: () => input.files[0] && chosen(input.files[0]) });
  const zone = h("div", { className: "drop" }, h("p", {}, text),
    h("button", { type: "button", className: "quiet", onclick: () => input.click() }, "Choose a file"),
    h("p", { className: "small faint" }, "or drop it here, or paste it"), input);
  zone.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) chosen(event.dataTransfer.files[0]);
  });
  zone.addEventListener("paste", (event) => event.clipboardData.files[0] && chosen(event.clipboardData.files[0]));
  return zone;
}

// Two pictures over each other, with a slider between them.
export function compare(before, after, look) {
  const result = h("img", { src: after, alt: "After", className: look });
  const original = h("img", { src: before, alt: "Before", className: "after",
    onload: () => original.classList.toggle("pixels", original.naturalWidth <= 64) });
  const line = h("div", { className: "line" });
  const slider = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Share of the picture that shows before",
    oninput: () => place() });
  const place = () => {
    original.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    line.style.left = `${slider.value}%`;
  };
  original.style.height = "100%";
  place();
  return h("div", {}, h("div", { className: "compare" }, result, original, line, slider),
    h("p", { className: "small faint" }, "Left of the line: before. Right of it: after. Drag it, or use the arrow keys."));
}

export function translate(model, state, remember) {
  const stage = h("div", { className: "stage" }, h("p", { className: "faint" }, "Choose a picture: before and after appear here."));
  let source = null, result = null;
  const run = latest(async (signal) => {
    if (!source) return;
    stage.setAttribute("aria-busy", "true");
    try {
      const address = `/api/models/${model.id}/translate?to=${state.get("to") ?? "b"}&size=${state.get("size") ?? "model"}`;
      result = await send(address, source, signal);
      const look = pixelated(model) && (state.get("size") ?? "model") === "model" ? "pixels" : "";
      stage.replaceChildren(compare(URL.createObjectURL(source), URL.createObjectURL(result), look));
      stage.scrollIntoView({ block: "nearest" });
      get.disabled = false;
      say("Translated");
    } catch (error) {
      if (error.name === "AbortError") throw error;
      stage.replaceChildren(notice(error.message));
    } finally {
      stage.removeAttribute("aria-busy");
    }
  });

  const change = (values) => { remember(values); run(); };
  const pick = (options, key, fallback) => {
    const box = h("select", { onchange: () => change({ [key]: box.value }) },
      options.map(([value, text]) => h("option", { value, selected: value === (state.get(key) ?? fallback) }, text)));
    return box;
  };
  const get = h("button", { type: "button", className: "quiet", disabled: true, onclick: () => save(result, `${model.id}.png`) }, "↓ PNG");
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("A picture to translate", (file) => { source = file; run(); }),
    h("div", {}, "\u00a0"),
    field("Direction", pick([["b", "A to B"], ["a", "B to A"]], "to", "b")),
    field("Size", pick([["model", `as trained, ${model.size.width}×${model.size.height}`], ["own", "the picture's own"]], "size", "model")),
    get);
  return [h("div", { className: "studio given" }, stage, panel)];
}
