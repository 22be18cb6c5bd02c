// A picture back to a code: a job that looks for the code whose image is nearest; then what was found, to be changed.

import { ask, failure, json, send, sheetOf } from "/static/api.js";
import { field, h, notice, reveal, save, say, select, steady } from "/static/dom.js";
import { classBox, classOf, pixelated } from "/static/studio.js";
import { compare, drawn, dropzone } from "/static/translate.js";

export function project(model, state, remember) {
  const stage = h("div", { className: "stage" }, h("p", { className: "faint" }, "Choose a picture: the nearest image of this model appears beside it."));
  const steps = h("input", { type: "number", min: 1, max: 1000, required: true, value: 150 });
  const look = pixelated(model) ? "pixels" : "";
  let waiting = null, left = false;
  const wrong = (error) => stage.replaceChildren(notice(error.message));

  async function begin(file) {
    if (!steps.reportValidity()) return;
    clearTimeout(waiting);
    stage.replaceChildren(looking("The picture is being sent"));
    reveal(stage);
    const asked = new URLSearchParams({ steps: steps.value });
    if (classOf(state)) asked.set("label", classOf(state));
    try {
      const response = await send(`/api/models/${model.id}/projections?${asked}`, file);
      const job = JSON.parse(await response.text()).id;
      remember({ job, toward: null, share: null, as: null });
      follow(job);
    } catch (error) {
      wrong(error);
    }
  }

  async function follow(job) {
    try {
      const found = await json(`/api/jobs/${encodeURIComponent(job)}`);
      if (left || state.get("job") !== job) return;
      if (found.about.model !== model.id) throw new Error(`${job} is of another model, ${found.about.model ?? "or no projection"}`);
      if (found.state === "running") {
        const stop = () => { ask(`/api/jobs/${encodeURIComponent(job)}`, { method: "DELETE" }).catch(wrong); };
        stage.replaceChildren(looking(found.log.at(-1)?.replace(/^projecting: picture 1 of 1, /, "") ?? "The model is being loaded"),
          h("button", { type: "button", className: "danger", onclick: stop }, "Stop"));
        waiting = setTimeout(follow, 1000, job);
      } else if (found.state === "failed") {
        stage.replaceChildren(notice(failure(found)));
      } else {
        await show(job, Object.values(found.result)[0]);
      }
    } catch (error) {
      wrong(error);
    }
  }

  function looking(text) {
    const share = text.match(/^(\d+)%/);
    return h("div", { role: "status" }, h("p", {}, "Looking …"),
      h("progress", { max: 100, value: share ? Number(share[1]) : undefined, "aria-label": "Looking for the code" }), h("p", { className: "small faint" }, text));
  }

  async function show(job, found) {
    const near = found.error > 0 ? found.error : "below 0.000001"; // as it is rounded
    const files = `/api/jobs/${encodeURIComponent(job)}`;
    const both = await drawn(compare(`${files}/given`, `${files}/image`, { look, grey: model.size.channels === 1, fit: "crop" }));
    stage.replaceChildren(both,
      h("p", {}, `Mean squared difference ${near}${found.class ? `, class ${found.class}` : ""}`),
      h("div", { className: "row" },
        h("a", { className: "button quiet", href: `${files}/image`, download: `${model.id}-projection.png` }, "↓ PNG"),
        h("a", { className: "button quiet", href: `${files}/code`, download: `${model.id}-code.safetensors` }, "↓ Code")),
      h("h2", {}, "Change it"), changing(files, found),
      h("p", { className: "small faint" }, "The code file goes on in the terminal: ", h("code", {}, `ganvas sample ${model.id} --code FILE`)));
    reveal(stage);
    say("Found");
  }

  // What was found, on the way to a seed's image, and in another class.
  function changing(files, found) {
    const { width, height } = model.size;
    const canvas = h("canvas", { width, height, className: look, role: "img", "aria-label": "The image that was found, changed" });
    const trouble = h("div", {});
    const seed = h("input", { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, value: state.get("toward") ?? 0, oninput: () => change({ toward: seed.value }) });
    const share = h("input", { type: "range", min: 0, max: 1, step: .05, value: state.get("share") ?? 0, oninput: () => change({ share: share.value }) });
    const kind = model.classes.length
      ? field("Class", select([["", `as found${found.class ? `, ${found.class}` : ""}`], ...model.classes.map((name) => [name, name])], state.get("as") ?? "", (as) => change({ as })))
      : null;
    const draw = steady(async () => {
      if (!seed.checkValidity()) return;
      const classes = state.get("as") || found.class;
      try {
        const picture = await sheetOf(`${files}/toward`, { seed: Number(seed.value), weights: [Number(share.value)], ...(classes ? { classes: [classes] } : {}) });
        canvas.getContext("2d").drawImage(picture, 0, 0);
        trouble.replaceChildren();
      } catch (error) {
        trouble.replaceChildren(notice(error.message));
      }
    });
    const change = (values) => { remember(values); draw(); };
    const png = () => canvas.toBlob((blob) => save(blob, `${model.id}-changed.png`));
    draw();
    return h("div", { className: "changing" }, h("div", {}, canvas, trouble),
      h("div", {}, kind, field("Toward seed", seed), field("How far", share), h("button", { type: "button", className: "quiet", onclick: png }, "↓ PNG of this")));
  }

  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("A picture to look for", begin), classBox(model, state, remember, "the nearest"), field("Steps", steps, "More come nearer and take longer."));
  if (state.get("job")) follow(state.get("job"));
  return [h("div", { className: "studio given" }, stage, panel), () => { left = true; clearTimeout(waiting); }];
}
