// One run, live: how far, curves, pictures, what the watch says; stop and go on.

import { json, postJson } from "/static/api.js";
import { field, h, notice, say, swap } from "/static/dom.js";
import { bar, count, duration, places, stateOf } from "/static/runs.js";

const AT_WORK = ["starting", "running", "stopping"];
const SVG = "http://www.w3.org/2000/svg";

export async function run(name) {
  const address = `/api/runs/${encodeURIComponent(name)}`;
  const head = h("div", {}), curves = h("div", { className: "charts" }), words = h("div", {}), trouble = h("div", {});
  const picture = h("img", { className: "picture big pixels", alt: "Samples of the run" });
  const when = h("output", { className: "small faint" });
  const seek = h("input", { type: "range", min: 0, max: 0, value: 0, oninput: () => { follow = Number(seek.value) === Number(seek.max); show(); } });
  const film = h("a", { className: "button quiet", href: `${address}/film`, download: `${name}.gif` }, "↓ Film");
  const place = h("div", { className: "film" }, field("Place in the film", seek));
  const log = h("pre", { tabIndex: 0 });
  let timer = null, samples = [], follow = true, playing = null, before = null, lost = false;

  function show() {
    const images = samples[Number(seek.value)];
    if (images === undefined) return;
    picture.src = `${address}/samples/${images}`;
    when.textContent = `after ${count(images)} images`;
  }

  const play = h("button", { type: "button", className: "quiet", onclick: () => {
    if (playing) { clearInterval(playing); playing = null; play.textContent = "▶ Play"; return; }
    play.textContent = "■ Stop";
    follow = false;
    playing = setInterval(() => { seek.value = (Number(seek.value) + 1) % samples.length; show(); }, 250);
  } }, "▶ Play");

  async function act(what, body) {
    trouble.replaceChildren();
    try {
      await postJson(`${address}/${what}`, body);
      await renew();
    } catch (error) {
      trouble.replaceChildren(notice(error.message));
    }
  }

  function controls(found) {
    if (found.state === "stopping") return h("button", { type: "button", className: "danger", disabled: true }, "Saving …");
    if (AT_WORK.includes(found.state)) {
      const stop = h("button", { type: "button", className: "danger", onclick: () => { stop.disabled = true; act("stop", {}).finally(() => { stop.disabled = false; }); } }, "Save and stop");
      return stop;
    }
    if (!found.model) return null;
    const target = h("input", { type: "number", min: found.images_seen + 1, "aria-label": "Images in all",
      value: found.state === "finished" ? found.images_seen * 2 : found.images });
    return h("form", { className: "row low", onsubmit: (event) => { event.preventDefault(); act("resume", { images: Number(target.value) }); } },
      field("Images in all", target), h("button", { type: "submit" }, "Go on"));
  }

  function draw(found) {
    if (found.state !== before) {
      if (before) say(`${name}: ${found.state}`);
      before = found.state;
      head.dataset.state = found.state;
      head.querySelector(".controls")?.replaceChildren(controls(found) ?? "");
    }
    const facts = [`${found.preset ?? "?"} on ${found.data ?? "?"}`, places(found), found.seconds ? `${duration(found.seconds)} of training` : null, found.best ? `best ${found.best}` : null];
    head.querySelector(".facts").replaceChildren(h("p", {}, stateOf(found), ` · ${facts.filter(Boolean).join(" · ")}`), bar(found));
    head.querySelector(".link").hidden = !found.model;
    if (found.samples.length !== samples.length) {
      samples = found.samples;
      seek.max = Math.max(0, samples.length - 1);
      if (follow) seek.value = seek.max;
      show();
    }
    film.hidden = !found.film;
    pictures.hidden = !samples.length;
    play.hidden = place.hidden = samples.length < 2;
    const drawn = ordered(found.curves).map(([key, points]) => chart(key, points));
    curves.replaceChildren(...(drawn.length ? drawn : [h("p", { className: "faint" }, "They begin with the second line of the log.")]));
    const bad = [...new Set(found.sentences)].filter((line) => /warning:|collapse:|ganvas: (?!interrupted)/.test(line)); // each sitting says it again
    const good = found.images_seen ? ["good", "Nothing odd so far."] : ["faint", AT_WORK.includes(found.state) ? "Data and networks are being made ready." : "It did not begin."];
    swap(words, ...(bad.length ? bad.map((line) => notice(line)) : [h("p", { className: good[0] }, good[1])]));
    const text = found.log.join("\n") || "empty";
    if (log.textContent !== text) log.textContent = text;
  }

  async function renew() {
    clearTimeout(timer);
    let found = null;
    try {
      found = await json(address);
      draw(found);
      if (lost) trouble.replaceChildren();
      lost = false;
    } catch (error) {
      if (!before) throw error;
      lost = true;
      trouble.replaceChildren(notice(error.message));
    }
    timer = setTimeout(renew, !found || AT_WORK.includes(found.state) ? 2000 : 8000);
  }

  head.append(h("div", { className: "row" }, h("div", { className: "grow" }, h("h1", {}, name)),
    h("a", { className: "button quiet link", href: `#/model/${encodeURIComponent(name)}` }, "Open in the studio")),
  h("div", { className: "facts" }), h("div", { className: "controls" }), trouble);
  const pictures = h("section", { "aria-label": "Pictures" }, h("h2", {}, "Pictures"), picture,
    h("div", { className: "row controls-of-film" }, play, film, when), place);
  await renew();
  return [h("section", {}, head, h("h2", {}, "What the watch says"), words, h("details", {}, h("summary", {}, "Log"), log), pictures, h("h2", {}, "Curves"), curves),
    () => { clearTimeout(timer); clearInterval(playing); }];
}

function ordered(curves) {
  const rank = (key) => (key.startsWith("score/") ? 0 : key.endsWith("/loss") ? 1 : key.startsWith("health/") ? 3 : 2);
  return Object.entries(curves).filter(([, points]) => points.length > 1).sort(([a], [b]) => rank(a) - rank(b) || a.localeCompare(b)).slice(0, 24);
}

function chart(name, points) {
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [left, right, low, high] = [xs[0], xs.at(-1), Math.min(...ys), Math.max(...ys)];
  const at = ([x, y]) => `${((x - left) / (right - left || 1)) * 300} ${96 - ((y - low) / (high - low || 1)) * 92}`;
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 300 100");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${name}: ${ys[0].toPrecision(3)} at first, ${ys.at(-1).toPrecision(3)} now, from ${low.toPrecision(3)} to ${high.toPrecision(3)}`);
  for (const [kind, d] of [["axis", "M0 99.5 H300"], ["", `M${points.map(at).join(" L")}`]]) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    if (kind) path.setAttribute("class", kind);
    svg.append(path);
  }
  return h("figure", { className: "chart panel" }, h("figcaption", { className: "row small" }, h("strong", { className: "grow" }, name),
    h("span", {}, ys.at(-1).toPrecision(4))), svg,
  h("div", { className: "row small faint" }, h("span", { className: "grow" }, `${low.toPrecision(3)} … ${high.toPrecision(3)}`), `${count(left)} … ${count(right)} images`));
}
