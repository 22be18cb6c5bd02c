// Elements, words for a screen reader, and requests that answer only the latest question.

export function h(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list" && key !== "form" && !key.startsWith("aria")) made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

export function say(text) {
  document.getElementById("said").textContent = text;
}

export function notice(text, bad = true) {
  return h("p", { className: bad ? "notice bad" : "notice", role: bad ? "alert" : undefined }, text);
}

// Into view where it is not, below the bar that stays at the top.
export function reveal(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > innerHeight * .6) element.scrollIntoView({ block: "start" });
}

// Other children; the focus stays on what is the same link, button or box as before.
export function swap(place, ...children) {
  const held = place.contains(document.activeElement) ? document.activeElement : null;
  place.replaceChildren(...children);
  if (!held) return;
  const same = (one) => one.id === held.id && one.href === held.href && one.textContent === held.textContent;
  [...place.querySelectorAll(held.tagName)].find(same)?.focus({ preventScroll: true });
}

let fields = 0;
export function field(label, input, hint) {
  input.id ||= `field-${++fields}`;
  return h("div", { className: "field" }, h("label", { htmlFor: input.id }, label), input,
    hint ? h("span", { className: "faint small" }, hint) : null);
}

export function select(options, value, onchange) {
  const made = h("select", { onchange: () => onchange(made.value) },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)));
  return made;
}

// work(signal, ...arguments) for the newest call alone: the one before it is given up, on the server too.
export function latest(work) {
  let running = null;
  return async (...given) => {
    running?.abort();
    const mine = (running = new AbortController());
    try {
      return await work(mine.signal, ...given);
    } catch (error) {
      if (error.name === "AbortError") return undefined;
      throw error;
    } finally {
      if (running === mine) running = null;
    }
  };
}

// One call at a time; what was asked last while it ran comes next.  For dragging: every finished answer is shown.
export function steady(work) {
  let busy = false, next = null;
  return async function ask(...given) {
    if (busy) { next = given; return; }
    busy = true;
    try {
      await work(...given);
    } finally {
      busy = false;
      if (next) { const again = next; next = null; ask(...again); }
    }
  };
}

export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    window.prompt("Copy this:", text);
    return false;
  }
}

// The pictures of one sheet as canvases.  sheet: ImageBitmap, rows of `columns`, no gaps
export function cut(sheet, n, columns, width, height) {
  return Array.from({ length: n }, (_, i) => {
    const canvas = h("canvas", { width, height });
    canvas.getContext("2d").drawImage(sheet, (i % columns) * width, Math.floor(i / columns) * height, width, height, 0, 0, width, height);
    return canvas;
  });
}
