// A picture back to a code: a job that looks for the code whose image is nearest.

import { json, send } from "/static/api.js";
import { field, h, notice, say } from "/static/dom.js";
import { conditions, pixelated } from "/static/studio.js";
import { compare, dropzone } from "/static/translate.js";

export function project(model, state, remember) {
  const stage = h("div", { className: "stage", "aria-live": "polite" }, h("p", { className: "faint" }, "Choose a picture: the nearest image of this model appears beside it."));
  const steps = h("input", { type: "number", min: 1, max: 1000, value: 150 });
  let waiting = null, source = null;

  async function begin(file) {
    source = file;
    clearTimeout(waiting);
    stage.replaceChildren(h("p", {}, "Looking …"));
    const asked = new URLSearchParams({ steps: steps.value });
    if (state.get("class")) asked.set("label", state.get("class"));
    try {
      const response = await send(`/api/models/${model.id}/projections?${asked}`, file);
      follow(JSON.parse(await response.text()).id);
    } catch (error) {
      stage.replaceChildren(notice(error.message));
    }
  }

  async function follow(job) {
    try {
      const found = await json(`/api/jobs/${job}`);
      if (found.state === "running") {
        stage.replaceChildren(h("p", {}, "Looking …"), h("p", { className: "small faint" }, found.log.at(-1) ?? ""),
          h("button", { type: "button", className: "danger", onclick: () => json(`/api/jobs/${job}`, { method: "DELETE" }) }, "Stop"));
        waiting = setTimeout(follow, 1500, job);
      } else if (found.state === "failed") {
        stage.replaceChildren(notice(found.log.at(-1) ?? "stopped"));
      } else {
        show(job, Object.values(found.result)[0]);
      }
    } catch (error) {
      stage.replaceChildren(notice(error.message));
    }
  }

  function show(job, found) {
    stage.replaceChildren(compare(URL.createObjectURL(source), `/api/jobs/${job}/image`, pixelated(model) ? "pixels" : ""),
      h("p", {}, `Mean squared difference ${found.error}${found.class ? `, class ${found.class}` : ""}`),
      h("div", { className: "row" },
        h("a", { className: "button quiet", href: `/api/jobs/${job}/image`, download: `${model.id}-projection.png` }, "↓ PNG"),
        h("a", { className: "button quiet", href: `/api/jobs/${job}/code`, download: `${model.id}-code.safetensors` }, "↓ Code")),
      h("p", { className: "small faint" }, "The code file goes on in the terminal: ganvas sample MODEL --code FILE"));
    stage.scrollIntoView({ block: "nearest" });
    say("Found");
  }

  const parts = conditions(model, state, remember, { one: true }).filter(([label]) => label === "Class");
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    dropzone("A picture to look for", begin), h("div", {}, "\u00a0"), parts.map(([label, input]) => field(label, input)), field("Steps", steps));
  return [h("div", { className: "studio given" }, stage, panel), () => clearTimeout(waiting)];
}
