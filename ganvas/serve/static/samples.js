// Images of seeds: a grid, each of them a button.

import { post, sheet } from "/static/api.js";
import { cut, field, h, latest, notice, save, say } from "/static/dom.js";
import { asked, classBox, pixelated, truncationBox } from "/static/studio.js";

export const COUNTS = [1, 4, 9, 16, 25, 36, 64];

export function samples(model, state, remember, open) {
  const seed = h("input", { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, value: state.get("seed") ?? 0,
    oninput: () => change({ seed: seed.value }) });
  const count = h("select", { onchange: () => change({ n: count.value }) },
    (model.size ? COUNTS : [500, 2000]).map((n) => h("option", { value: n, selected: String(n) === (state.get("n") ?? "16") }, n)));
  const stage = h("div", { className: "stage", "aria-label": "Samples", role: "group" });
  const body = () => ({ seed: Number(seed.value) || 0, n: Number(count.value), ...asked(model, state, Number(count.value), true) });

  const draw = latest(async (signal) => {
    if (!seed.checkValidity()) return; // its box says so
    stage.setAttribute("aria-busy", "true");
    try {
      const n = Number(count.value);
      if (!model.size) {
        const response = await post(`/api/models/${model.id}/sample`, body(), signal);
        stage.replaceChildren(h("img", { className: "big", alt: `${n} points`, src: URL.createObjectURL(await response.blob()) }));
        return;
      }
      const columns = Math.ceil(Math.sqrt(n));
      const picture = await sheet(model.id, "sample", body(), columns, signal);
      const tiles = cut(picture, n, columns, model.size.width, model.size.height).map((canvas, i) => tile(canvas, i));
      const grid = h("div", { className: `tiles ${pixelated(model) ? "pixels" : ""}` }, tiles);
      grid.style.setProperty("--columns", columns);
      grid.style.setProperty("--aspect", model.size.width / model.size.height);
      stage.replaceChildren(grid);
      say(`${n} images from seed ${seed.value}`);
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

  function tile(canvas, i) {
    const at = Number(seed.value) + i;
    const wanted = body().classes;
    const label = wanted?.[wanted.length > 1 ? i : 0];
    const title = `Seed ${at}${label ? `, class ${label}` : ""}`;
    return h("button", { type: "button", className: "tile", "aria-label": title, title, onclick: () => enlarge(canvas, at, title, label) }, canvas);
  }

  function enlarge(canvas, at, title, label) {
    const copy = h("canvas", { width: canvas.width, height: canvas.height, role: "img", "aria-label": title, className: pixelated(model) ? "pixels" : "" });
    copy.getContext("2d").drawImage(canvas, 0, 0);
    const dialog = h("dialog", { "aria-label": title, onclose: () => dialog.remove() },
      h("div", { className: "big" }, copy), h("h2", {}, title),
      h("div", { className: "row fill" },
        h("button", { type: "button", onclick: () => canvas.toBlob((blob) => save(blob, `${model.id}-seed${at}.png`)) }, "Download PNG"),
        h("button", { type: "button", className: "quiet", onclick: () => {
          dialog.close();
          remember({ corners: [at, at + 1, at + 2, at + 3].join(","), u: 0, v: 0, class: label ?? "" });
          open("mix");
        } }, "Walk from here"),
        h("button", { type: "button", className: "quiet", onclick: () => dialog.close() }, "Close")));
    document.body.append(dialog);
    dialog.showModal();
  }

  async function download(format) {
    try {
      const extra = format === "png" ? { gap: 2, scale: pixelated(model) ? 4 : 1, columns: Math.ceil(Math.sqrt(Number(count.value))) } : {};
      const response = await post(`/api/models/${model.id}/sample`, { ...body(), ...extra, format });
      save(await response.blob(), `${model.id}-seed${seed.value}.${format}`);
    } catch (error) {
      stage.prepend(notice(error.message));
    }
  }

  const step = (by) => () => { seed.value = Math.max(0, Number(seed.value) + by * Number(count.value)); change({ seed: seed.value }); };
  const dice = () => { seed.value = Math.floor(Math.random() * 1e6); change({ seed: seed.value }); };
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    field("First seed", seed),
    h("div", { className: "row field fill" },
      h("button", { type: "button", className: "quiet", onclick: step(-1) }, "← Earlier"),
      h("button", { type: "button", className: "quiet", onclick: step(1) }, "Later →"),
      h("button", { type: "button", onclick: dice }, "Surprise me")),
    field("How many", count),
    classBox(model, state, change, "each as its seed decides", true), truncationBox(state, change),
    h("div", { className: "row fill", role: "group", "aria-label": "Download" },
      (model.size ? ["png", "zip", "npy"] : ["png", "npy"]).map((format) =>
        h("button", { type: "button", className: "quiet", onclick: () => download(format) }, `↓ ${format.toUpperCase()}`))));
  draw();
  return [h("div", { className: "studio" }, stage, panel)];
}
