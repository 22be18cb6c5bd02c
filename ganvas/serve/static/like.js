// More like this: a picture in, samples out.

import { send, sendSheet } from "/static/api.js";
import { cut, field, h, latest, notice, reveal, save, say, select } from "/static/dom.js";
import { COUNTS } from "/static/samples.js";
import { classBox, classOf, pixelated, truncationBox } from "/static/studio.js";
import { dropzone } from "/static/translate.js";

export function like(model, state, remember) {
  const { width, height } = model.size;
  const given = h("div", {}), stage = h("div", { className: "stage", role: "group", "aria-label": "Samples like the picture" },
    h("p", { className: "faint" }, "Choose a picture: samples like it appear here."));
  const seed = h("input", { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, value: state.get("seed") ?? 0, oninput: () => change({ seed: seed.value }) });
  const count = select(COUNTS.map((n) => [n, n]), state.get("n") ?? 9, (n) => change({ n }));
  let source = null;

  function address(columns, format, more = {}) {
    const asked = new URLSearchParams({ seed: Number(seed.value), n: count.value, columns, format, ...more });
    if (classOf(state)) asked.set("classes", classOf(state));
    if (state.has("truncation")) asked.set("truncation", state.get("truncation"));
    return `/api/models/${model.id}/like?${asked}`;
  }

  const draw = latest(async (signal) => {
    if (!source || !seed.checkValidity()) return;
    const n = Number(count.value), columns = Math.ceil(Math.sqrt(n)), first = Number(seed.value) || 0;
    stage.setAttribute("aria-busy", "true");
    try {
      const picture = await sendSheet(address(columns, "png"), source, signal);
      const grid = h("div", { className: `tiles ${pixelated(model) ? "pixels" : ""}` }, cut(picture, n, columns, width, height)
        .map((canvas, i) => { canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `Like the picture, seed ${first + i}`); return canvas; }));
      grid.style.setProperty("--columns", columns);
      grid.style.setProperty("--aspect", width / height);
      stage.replaceChildren(grid);
      downloads.forEach((button) => { button.disabled = false; });
      reveal(stage);
      say(`${n} images like the picture`);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      stage.replaceChildren(notice(error.message));
    } finally {
      if (!signal.aborted) stage.removeAttribute("aria-busy");
    }
  });

  function change(values) {
    remember(values);
    draw();
  }

  function choose(file) {
    source = file;
    const shot = h("img", { className: "picture field given-picture", src: URL.createObjectURL(file), alt: "The picture that was given",
      onload: () => { shot.classList.toggle("pixels", shot.naturalWidth <= 64); URL.revokeObjectURL(shot.src); } });
    given.replaceChildren(shot);
    draw();
  }

  async function download(format) {
    try {
      const extra = format === "png" ? { gap: 2, scale: pixelated(model) ? 4 : 1 } : {}; // as of samples
      save(await send(address(Math.ceil(Math.sqrt(Number(count.value))), format, extra), source), `${model.id}-like.${format}`);
    } catch (error) {
      stage.prepend(notice(error.message));
    }
  }
  const downloads = ["png", "zip"].map((format) =>
    h("button", { type: "button", className: "quiet", disabled: true, onclick: () => download(format) }, `↓ ${format.toUpperCase()}`));

  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("More like this picture", choose), given, field("First seed", seed), field("How many", count),
    classBox(model, state, change, "each as its seed decides"), truncationBox(state, change),
    h("div", { className: "row fill", role: "group", "aria-label": "Download" }, downloads));
  return [h("div", { className: "studio given" }, stage, panel)];
}
