// Scores of a model, each with its protocol, and a form that measures more: a job of the server's own.

import { failure, json, postJson } from "/static/api.js";
import { field, h, notice, reveal, say } from "/static/dom.js";

// What can be measured of such a model.
function metricsOf(model) {
  if (!model.size) return "modes, wasserstein";
  if (model.abilities.includes("translate")) return "mse, psnr, ssim";
  return ["fid", "kid", "is", "prdc", ...(model.classes.length ? ["intra_fid", "cas"] : []), "memorisation"].join(", ");
}

export function valueOf(score) {
  return `${score.value?.toPrecision(4) ?? "not a number"}${score.spread ? ` ± ${score.spread.toPrecision(2)}` : ""}`;
}

export function protocolOf(p) {
  const parts = [[p.reference, p.split].filter(Boolean).join(" "), `${p.sample_count ?? 0} samples against ${p.reference_count ?? 0}`,
    p.features ? `features ${p.features}` : "no features", p.truncation ? `truncation ${p.truncation}` : ""];
  return parts.filter(Boolean).join(", ");
}

export function scores(given) {
  const found = [...new Map(given.map((score) => [JSON.stringify(score), score])).values()]; // measured again, the same to the last digit
  if (!found.length) return h("p", { className: "faint" }, "No score yet.");
  return h("div", { className: "scroll" }, h("table", {},
    h("thead", {}, h("tr", {}, ["Score", "Value", "Protocol"].map((text) => h("th", { scope: "col" }, text)))),
    h("tbody", {}, found.map((score) => h("tr", {}, h("td", {}, score.name), h("td", {}, valueOf(score)),
      h("td", { className: "small" }, protocolOf(score.protocol)))))));
}

export function evaluate(model, state, remember) {
  const table = h("div", {}, scores(model.scores)), place = h("div", {}, h("p", { className: "faint" }, "Loading …"));
  const progress = h("div", { "aria-live": "polite" });
  let waiting = null;

  async function follow(job) {
    try {
      const found = await json(`/api/jobs/${encodeURIComponent(job)}`);
      if (found.state === "running") {
        progress.replaceChildren(h("p", {}, `Measuring against ${found.about.data} …`), h("p", { className: "small faint" }, found.log.at(-1) ?? ""),
          h("button", { type: "button", className: "danger", onclick: () => json(`/api/jobs/${encodeURIComponent(job)}`, { method: "DELETE" }) }, "Stop"));
        if (!waiting) reveal(progress);
        waiting = setTimeout(follow, 1500, job);
      } else if (found.state === "failed") {
        progress.replaceChildren(notice(failure(found)));
      } else {
        model.scores = (await json(`/api/models/${encodeURIComponent(model.id)}`)).scores;
        table.replaceChildren(scores(model.scores));
        progress.replaceChildren(h("p", { className: "good" }, "✓ measured"));
        say("Measured");
      }
    } catch (error) {
      progress.replaceChildren(notice(error.message));
    }
  }

  async function form() {
    const [{ data }, { jobs }] = await Promise.all([json("/api/data"), json("/api/jobs")]);
    const against = h("select", {}, data.map((one) => h("option", { value: one.id, selected: one.id === model.data }, one.id)));
    const pairs = model.abilities.includes("translate"); // all pairs of the test split are translated
    const n = h("input", { type: "number", min: 2, max: 50000, placeholder: "as many as the data have" });
    const metrics = h("input", { type: "text", pattern: "[a-z_]+( *, *[a-z_]+)*", placeholder: "as suit the model" });
    const seed = h("input", { type: "number", min: 0, value: 0 });
    async function begin(event) {
      event.preventDefault();
      clearTimeout(waiting);
      waiting = null;
      try {
        const body = { data: against.value, seed: Number(seed.value) || 0 };
        if (n.value) body.n = Number(n.value);
        if (metrics.value) body.metrics = metrics.value.replaceAll(" ", "");
        follow((await postJson(`/api/models/${encodeURIComponent(model.id)}/evaluations`, body)).id);
      } catch (error) {
        progress.replaceChildren(notice(error.message));
      }
    }
    place.replaceChildren(h("form", { className: "panel", "aria-label": "Measure", onsubmit: begin },
      field("Data to measure against", against), pairs ? null : field("Samples", n), field("Metrics", metrics, `Some of ${metricsOf(model)}`),
      pairs ? null : field("Seed of the first sample", seed),
      h("button", { type: "submit" }, "Measure")));
    const running = jobs.find((job) => job.kind === "evaluate" && job.about.model === model.id && job.state === "running");
    if (running) follow(running.id);
  }

  form().catch((error) => place.replaceChildren(notice(error.message, error.status !== 403)));
  return [h("div", { className: "studio" }, h("div", {}, table, progress,
    h("p", { className: "small faint" }, "Two numbers can be compared only where their protocols agree; FD-own is not the FID of papers.")), place),
    () => clearTimeout(waiting)];
}
