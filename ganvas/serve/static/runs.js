// Training runs: those that there are, data and their checks, and a form that starts one.

import { json, postJson } from "/static/api.js";
import { field, h, notice, say, swap } from "/static/dom.js";

const STATES = { starting: "starting", running: "running", stopping: "stopping, its state is being saved", stopped: "stopped", finished: "finished", failed: "failed" };
const LOOKS = { running: "good", starting: "good", failed: "bad", stopping: "warn", stopped: "warn" };
const COUNT = new Intl.NumberFormat("en");

export const count = (n) => COUNT.format(n);
export const stateOf = (run) => h("span", { className: LOOKS[run.state] ?? "" }, STATES[run.state]);

export function duration(seconds) {
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min` : `${(seconds / 86_400).toFixed(1)} days`;
}

export function bar(run) {
  const share = run.images ? Math.min(1, run.images_seen / run.images) : 0;
  const inner = h("div", {});
  inner.style.width = `${share * 100}%`;
  return h("div", { className: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100,
    "aria-valuenow": Math.round(share * 100), "aria-label": `Progress of ${run.id}` }, inner);
}

export function places(run) {
  const parts = [`${count(run.images_seen)}${run.images ? ` of ${count(run.images)}` : ""} images`];
  if (run.images_per_second && run.state === "running") parts.push(`${run.images_per_second.toPrecision(3)} images/s`);
  if (run.seconds_left !== null && run.seconds_left !== undefined) parts.push(`${duration(run.seconds_left)} left`);
  return parts.join(" · ");
}

export async function runs() {
  const list = h("div", {});
  const forms = h("div", {}, h("p", { className: "faint" }, "Loading …"));
  let timer = null;

  async function renew() {
    try {
      const { runs: found } = await json("/api/runs");
      swap(list, found.length ? h("ul", { className: "cards" }, found.map(card)) : h("p", { className: "faint" }, "No runs yet."));
    } catch (error) {
      list.replaceChildren(notice(error.message));
    }
    timer = setTimeout(renew, 4000);
  }

  try {
    await json("/api/data");
  } catch (error) { // a server that only shows models says so, once
    if (error.status === 403) return h("section", {}, h("h1", {}, "Training"), notice(error.message, false));
  }
  await renew();
  starting(forms).catch((error) => forms.replaceChildren(notice(error.message)));
  return [h("section", {}, h("h1", {}, "Training"), list, h("h2", {}, "Start a run"), forms), () => clearTimeout(timer)];
}

function card(run) {
  return h("li", { className: "card" }, h("div", { className: "text" },
    h("h2", {}, h("a", { href: `#/runs/${encodeURIComponent(run.id)}` }, run.id)),
    h("p", { className: "small" }, stateOf(run), ` · ${run.preset ?? "?"} on ${run.data ?? "?"}`), bar(run),
    h("p", { className: "small faint" }, places(run)),
    run.sentences.length ? h("p", { className: "small" }, run.sentences.at(-1)) : null));
}

async function starting(place) {
  const [{ data }, { presets }] = await Promise.all([json("/api/data"), json("/api/presets")]);
  const state = { data: data[0].id };
  const checks = h("div", { "aria-live": "polite" });
  const preset = h("select", { required: true, onchange: () => describe() });
  const about = h("p", { className: "small faint" });
  const trouble = h("div", {});
  const images = h("input", { type: "number", min: 1, placeholder: "as the preset says" });
  const seed = h("input", { type: "number", min: 0, value: 0 });
  const name = h("input", { type: "text", pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]{0,63}", placeholder: "made of preset and data" });
  const go = h("button", { type: "submit" }, "Start training");
  const first = h("p", { className: "small faint" }, "Data are trained on once they have been checked.");
  const which = h("select", { onchange: () => { state.data = which.value; options(); check(); } }, data.map((one) => h("option", { value: one.id }, one.id)));

  function options() {
    const fits = presets.filter((one) => one.data.split(", ").includes(state.data));
    const others = presets.filter((one) => !fits.includes(one));
    const group = (label, rows) => h("optgroup", { label }, rows.map((one) => h("option", { value: one.name }, one.name)));
    preset.replaceChildren(...(fits.length ? [group(`made for ${state.data}`, fits)] : []), group("others", others));
    describe();
  }

  function describe() {
    const one = presets.find((other) => other.name === preset.value);
    about.textContent = one ? `${one.about}${one.images ? `; ${count(one.images)} images` : ""}` : "";
    if (one?.images) images.placeholder = String(one.images);
  }

  let waiting = null;
  async function check(begin = false) {
    clearTimeout(waiting);
    try {
      if (begin) await postJson(`/api/data/${state.data}/check`, {});
      const found = (await json("/api/data")).data.find((one) => one.id === state.data);
      const running = found.state === "running";
      go.disabled = !found.checked;
      first.hidden = found.checked;
      checks.replaceChildren(
        found.checked ? h("p", { className: "good small" }, "✓ checked") : h("p", { className: "small" }, running ? "Looking the data over …" : "These data have not been checked yet."),
        h("ul", { className: "plain small faint" }, found.summary.map((line) => h("li", {}, line))),
        ...found.warnings.map((line) => h("p", { className: "small warn" }, line)),
        ...(found.sheet ? [h("a", { href: found.sheet, target: "_blank", className: "small" }, "Contact sheet")] : []),
        found.checked || running ? "" : h("button", { type: "button", onclick: () => check(true) }, "Check them"));
      if (running) waiting = setTimeout(() => place.isConnected && check(), 1000);
      else if (begin || found.checked) say(found.checked ? "Checked" : "");
    } catch (error) {
      checks.replaceChildren(notice(error.message));
    }
  }

  async function submit(event) {
    event.preventDefault();
    go.disabled = true;
    trouble.replaceChildren();
    try {
      const body = { preset: preset.value, data: state.data, seed: Number(seed.value) || 0 };
      if (images.value) body.images = Number(images.value);
      if (name.value) body.name = name.value;
      const begun = await postJson("/api/runs", body);
      location.hash = `#/runs/${encodeURIComponent(begun.id)}`;
    } catch (error) {
      trouble.replaceChildren(notice(error.message));
      go.disabled = false;
    }
  }

  place.replaceChildren(h("form", { className: "panel charts", "aria-label": "Start a run", onsubmit: submit },
    h("div", {}, field("Data", which, "More with ganvas serve --data PATH"), checks),
    h("div", {}, field("Preset", preset), about),
    h("div", {}, field("Images to show", images), field("Seed", seed), field("Name", name)),
    h("div", {}, go, first, trouble)));
  options();
  check();
}
