// Photo in, photo out: a place to drop a picture, and a slider between before and after.

import { send } from "/static/api.js";
import { field, h, latest, notice, reveal, save, say, select } from "/static/dom.js";
import { pixelated } from "/static/studio.js";

const OWN_PIXELS = 2 ** 20; // of a picture in its own size: the server takes no more

// Where a picture is chosen, or dropped or pasted anywhere on the page.
export function dropzone(text, chosen) {
  const input = h("input", { type: "file", accept: "image/png,image/jpeg,image/webp,image/gif,image/bmp", className: "unseen",
    "aria-label": text, tabIndex: -1, onchange: () => { const [file] = input.files; if (file) chosen(file); } });
  const zone = h("div", { className: "drop" }, h("p", {}, text),
    h("button", { type: "button", className: "quiet", onclick: () => { input.value = ""; input.click(); } }, "Choose a file"), // "": the same file again
    h("p", { className: "small faint" }, "or drop it here, or paste it"), input);
  const listening = {
    dragover: (event) => { event.preventDefault(); zone.classList.add("over"); },
    dragleave: (event) => { if (!event.relatedTarget) zone.classList.remove("over"); },
    drop: (event) => { event.preventDefault(); zone.classList.remove("over"); take(event.dataTransfer); },
    paste: (event) => take(event.clipboardData),
  };
  const take = (given) => { if (given?.files[0]) chosen(given.files[0]); };
  for (const [name, listener] of Object.entries(listening)) {
    const alive = (event) => { if (zone.isConnected) listener(event); else document.removeEventListener(name, alive); };
    document.addEventListener(name, alive);
  }
  return zone;
}

// Two pictures over each other, with a slider between them.  fit "stretch": both in the shape of the one before; "crop":
// in the shape of the one after, of the other its middle.  grey: the model saw no colours
export function compare(before, after, { look = "", grey = false, fit = "stretch" } = {}) {
  const loaded = (event) => {
    if (event.target.src.startsWith("blob:")) URL.revokeObjectURL(event.target.src);
    if (event.target === original) original.classList.toggle("pixels", original.naturalWidth <= 64);
  };
  const result = h("img", { src: after, alt: "After", className: `${look} ${fit === "stretch" ? "over" : ""}`, onload: loaded });
  const original = h("img", { src: before, alt: "Before", className: `before ${fit === "crop" ? "over crop" : ""} ${grey ? "grey" : ""}`, onload: loaded });
  const line = h("div", { className: "line" });
  const slider = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": "Share of the picture that shows before",
    oninput: () => place() });
  const place = () => {
    original.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    result.style.clipPath = `inset(0 0 0 ${slider.value}%)`;
    line.style.left = `${slider.value}%`;
  };
  place();
  return h("div", {}, h("div", { className: "compare" }, result, original, line, slider),
    h("p", { className: "small faint" }, `Left of the line: before${grey ? ", as the model sees it" : ""}. Right of it: after. Drag it, or use the arrow keys.`));
}

// The element, once its pictures have their size: so that nothing jumps.
export async function drawn(element) {
  await Promise.all([...element.querySelectorAll("img")].map((one) => one.decode().catch(() => {})));
  return element;
}

export function translate(model, state, remember) {
  const usual = pixelated(model) ? "own" : "model"; // small models have learned patches
  const to = () => state.get("to") ?? "b", size = () => state.get("size") ?? usual;
  const stage = h("div", { className: "stage" }, h("p", { className: "faint" }, "Choose a picture: before and after appear here."));
  let source = null, result = null;
  const run = latest(async (signal) => {
    if (!source) return;
    stage.setAttribute("aria-busy", "true");
    say("Translating");
    try {
      const given = size() === "own" ? await within(source, OWN_PIXELS) : source;
      signal.throwIfAborted();
      result = await send(`/api/models/${model.id}/translate?to=${to()}&size=${size()}`, given, signal);
      const look = pixelated(model) && size() === "model" ? "pixels" : "";
      const both = await drawn(compare(URL.createObjectURL(source), URL.createObjectURL(result), { look, grey: model.domains[to()] === 1 }));
      signal.throwIfAborted();
      stage.replaceChildren(both);
      reveal(stage);
      get.disabled = false;
      say("Translated");
    } catch (error) {
      if (error.name === "AbortError") throw error;
      stage.replaceChildren(notice(error.message));
      get.disabled = true;
    } finally {
      if (!signal.aborted) stage.removeAttribute("aria-busy");
    }
  });

  const change = (values) => { remember(values); run(); };
  const name = (domain) => `${domain.toUpperCase()}${colours(model, domain)}`;
  const get = h("button", { type: "button", className: "quiet", disabled: true, onclick: () => save(result, `${model.id}.png`) }, "↓ PNG");
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("A picture to translate", (file) => { source = file; run(); }),
    field("Direction", select([["b", `${name("a")} to ${name("b")}`], ["a", `${name("b")} to ${name("a")}`]], to(), (value) => change({ to: value }))),
    field("Size", select([["own", "its own, up to 1 megapixel"], ["model", `as trained, ${model.size.width}×${model.size.height}`]], size(),
      (value) => change({ size: value }))),
    h("div", { className: "row" }, get));
  return [h("div", { className: "studio given" }, stage, panel)];
}

// Of a domain, where the two differ.  model.domains: channels of what becomes a, and b: those of b, and a
function colours(model, domain) {
  const channels = { a: model.domains.b, b: model.domains.a };
  const words = { 1: " (grey)", 3: " (colour)" };
  return channels.a === channels.b ? "" : words[channels[domain]] ?? ` (${channels[domain]} channels)`;
}

// The picture, or a smaller one of at most so many pixels.  What the browser cannot read is for the server to refuse.
async function within(file, most) {
  const picture = await createImageBitmap(file).catch(() => null);
  if (!picture || picture.width * picture.height <= most) return file;
  const share = Math.sqrt(most / (picture.width * picture.height));
  const canvas = h("canvas", { width: Math.floor(picture.width * share), height: Math.floor(picture.height * share) });
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => { canvas.toBlob(done, "image/png"); });
}
