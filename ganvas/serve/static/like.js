// More like this: a picture in, samples out.

import { send, sendSheet } from "/static/api.js";
import { cut, field, h, latest, notice, save, say } from "/static/dom.js";
import { conditions, pixelated } from "/static/studio.js";
import { dropzone } from "/static/translate.js";

export function like(model, state, remember) {
  const { width, height } = model.size;
  const given = h("div", {}), stage = h("div", { className: "stage", role: "group", "aria-label": "Samples like the picture" },
    h("p", { className: "faint" }, "Choose a picture: samples like it appear here."));
  const seed = h("input", { type: "number", min: 0, value: state.get("seed") ?? 0, oninput: () => change({ seed: seed.value }) });
  const count = h("select", { onchange: () => change({ n: count.value }) },
    [1, 4, 9, 16, 25, 36].map((n) => h("option", { value: n, selected: String(n) === (state.get("n") ?? "9") }, n)));
  let source = null;

  function address(columns, format) {
    const asked = new URLSearchParams({ seed: Number(seed.value) || 0, n: count.value, columns, format });
    if (state.get("class")) asked.set("classes", state.get("class"));
    if (state.has("truncation")) asked.set("truncation", state.get("truncation"));
    return `/api/models/${model.id}/like?${asked}`;
  }

  const draw = latest(async (signal) => {
    if (!source) return;
    const n = Number(count.value), columns = Math.ceil(Math.sqrt(n)), first = Number(seed.value) || 0;
    stage.setAttribute("aria-busy", "true");
    try {
      const picture = await sendSheet(address(columns, "png"), source, signal);
      const grid = h("div", { className: `tiles ${pixelated(model) ? "pixels" : ""}` }, cut(picture, n, columns, width, height)
        .map((canvas, i) => { canvas.setAttribute("role", "img"); canvas.setAttribute("aria-label", `Like the picture, seed ${first + i}`); return canvas; }));
      grid.style.setProperty("--columns", columns);
      stage.replaceChildren(grid);
      stage.scrollIntoView({ block: "nearest" });
      say(`${n} images like the picture`);
    } catch (error) {
      if (error.name === "AbortError") throw error;
      stage.replaceChildren(notice(error.message));
    } finally {
      stage.removeAttribute("aria-busy");
    }
  });

  function change(values) {
    remember(values);
    draw();
  }

  function choose(file) {
    source = file;
    given.replaceChildren(h("img", { className: `picture field given-picture ${pixelated(model) ? "pixels" : ""}`, src: URL.createObjectURL(file), alt: "The picture that was given" }));
    draw();
  }

  async function zip() {
    if (source) save(await send(address(1, "zip"), source), `${model.id}-like.zip`);
  }

  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("More like this picture", choose), h("div", {}, "\u00a0"), given, field("First seed", seed), field("How many", count),
    conditions(model, state, change, { one: true }).map(([label, input, more]) => h("div", {}, field(label, input), more)),
    h("button", { type: "button", className: "quiet", onclick: zip }, "↓ ZIP"));
  return [h("div", { className: "studio given" }, stage, panel)];
}
