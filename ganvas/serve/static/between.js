// Between four seeds: a square to drag in, and a walk around its corners that plays.

import { post, sheet } from "/static/api.js";
import { cut, field, h, latest, notice, save, steady } from "/static/dom.js";
import { asked, classBox, pixelated, truncationBox } from "/static/studio.js";

const STEPS = 12; // pictures from corner to corner
const CORNERS = ["Top left", "Top right", "Bottom left", "Bottom right"];

export function between(model, state, remember) {
  const given = (state.get("corners") ?? "").split(",").map((text) => (/^\d+$/.test(text) ? Number(text) : NaN));
  const corners = CORNERS.map((_, i) => (Number.isSafeInteger(given[i]) ? given[i] : i));
  let [u, v] = ["u", "v"].map((name) => (state.has(name) ? Number(state.get(name)) || 0 : .5));
  let timer = null, at = 0, frames = [];
  const canvas = h("canvas", { width: model.size.width, height: model.size.height, className: pixelated(model) ? "pixels" : "" });
  const knob = h("div", { className: "knob" });
  const pad = h("div", { className: "pad", tabIndex: 0, role: "slider", "aria-label": "Place between the four seeds: arrow keys move",
    "aria-valuemin": 0, "aria-valuemax": 100 }, canvas, knob);
  const trouble = h("div", {});
  const body = () => ({ seeds: corners, ...asked(model, state) });

  const draw = steady(async () => {
    try {
      const picture = await sheet(model.id, "mix", { ...body(), u: [u], v: [v] }, 1);
      canvas.getContext("2d").drawImage(picture, 0, 0);
      trouble.replaceChildren();
    } catch (error) {
      trouble.replaceChildren(notice(error.message));
    }
  });

  const shots = CORNERS.map((name, i) => h("button", { type: "button", className: "corner", onclick: () => place(i % 2, i >> 1) }));
  const ends = latest(async (signal) => {
    shots.forEach((shot, i) => shot.setAttribute("aria-label", `Go to ${CORNERS[i].toLowerCase()}, seed ${corners[i]}`));
    try {
      const picture = await sheet(model.id, "sample", body(), 4, signal);
      cut(picture, 4, 4, model.size.width, model.size.height).forEach((made, i) => { made.className = canvas.className; shots[i].replaceChildren(made); });
    } catch (error) {
      if (error.name === "AbortError") throw error; // what else is wrong, the place between them says
    }
  });

  function place(newU, newV) {
    stop();
    [u, v] = [newU, newV].map((x) => Math.min(1, Math.max(0, x)));
    knob.style.left = `${u * 100}%`;
    knob.style.top = `${v * 100}%`;
    pad.setAttribute("aria-valuenow", Math.round(u * 100));
    pad.setAttribute("aria-valuetext", `${Math.round(u * 100)} percent to the right, ${Math.round(v * 100)} percent down`);
    remember({ u: u.toFixed(3), v: v.toFixed(3) });
    draw();
  }

  function drag(event) {
    if (event.type === "pointerdown") pad.setPointerCapture(event.pointerId);
    if (!pad.hasPointerCapture(event.pointerId)) return;
    const box = pad.getBoundingClientRect();
    place((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
  }
  pad.addEventListener("pointerdown", drag);
  pad.addEventListener("pointermove", drag);
  pad.addEventListener("keydown", (event) => {
    const [du, dv] = { ArrowLeft: [-.05, 0], ArrowRight: [.05, 0], ArrowUp: [0, -.05], ArrowDown: [0, .05] }[event.key] ?? [];
    if (du === undefined) return;
    event.preventDefault();
    place(u + du, v + dv);
  });

  const round = () => ({ ...body(), seeds: [corners[0], corners[1], corners[3], corners[2], corners[0]], steps: STEPS });
  const seek = h("input", { type: "range", min: 0, max: 4 * STEPS, value: 0, disabled: true, oninput: () => { stop(); show(Number(seek.value)); } });
  const play = h("button", { type: "button", onclick: () => (timer ? stop() : start()) }, "▶ Play the walk");

  function show(i) {
    at = i;
    seek.value = i;
    if (frames[i]) canvas.getContext("2d").drawImage(frames[i], 0, 0);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶ Play the walk";
    knob.hidden = false;
  }

  async function start() {
    play.textContent = "■ Stop";
    knob.hidden = true;
    try {
      if (!frames.length) {
        const n = 4 * STEPS + 1;
        frames = cut(await sheet(model.id, "interpolate", round(), 7), n, 7, model.size.width, model.size.height);
        seek.disabled = false;
      }
      timer = setInterval(() => show((at + 1) % frames.length), 60);
    } catch (error) {
      stop();
      trouble.replaceChildren(notice(error.message));
    }
  }

  function change(values) {
    remember(values);
    frames = [];
    seek.disabled = true;
    stop();
    draw();
    ends();
  }

  const inputs = corners.map((seed, i) => {
    const input = h("input", { type: "number", min: 0, max: Number.MAX_SAFE_INTEGER, value: seed, oninput: () => {
      if (!input.checkValidity()) return;
      corners[i] = Number(input.value);
      change({ corners: corners.join(",") });
    } });
    return field(CORNERS[i], input);
  });
  const dice = () => {
    inputs.forEach((box, i) => { corners[i] = Math.floor(Math.random() * 1e6); box.querySelector("input").value = corners[i]; });
    change({ corners: corners.join(",") });
  };
  const film = async () => {
    try {
      const response = await post(`/api/models/${model.id}/interpolate`, { ...round(), format: "gif", scale: pixelated(model) ? 8 : 1 });
      save(await response.blob(), `${model.id}-walk.gif`);
    } catch (error) {
      trouble.replaceChildren(notice(error.message));
    }
  };
  const png = () => canvas.toBlob((blob) => save(blob, `${model.id}-between.png`));
  const panel = h("form", { className: "panel", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
    h("p", { className: "small faint" }, "Drag in the square, or move with the arrow keys: each corner is a seed."),
    h("div", { className: "corners" }, inputs),
    h("div", { className: "row field fill" }, h("button", { type: "button", className: "quiet", onclick: dice }, "Other seeds")),
    classBox(model, state, change, "each as its seed decides"), truncationBox(state, change),
    h("div", { className: "row fill" }, h("button", { type: "button", className: "quiet", onclick: png }, "↓ PNG"),
      h("button", { type: "button", className: "quiet", onclick: film }, "↓ GIF")));
  place(u, v);
  ends();
  return [h("div", { className: "studio" }, h("div", {}, h("div", { className: "square" }, shots, pad),
    h("div", { className: "walk" }, play, field("Place in the walk", seek)), trouble), panel), stop];
}
