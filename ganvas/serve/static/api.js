// The server's API.  Nothing here asks any other machine.

export class Refused extends Error {
  constructor(status, text, retryAfter) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

async function checked(response) {
  if (response.ok) return response;
  let text = `${response.status} ${response.statusText}`;
  try { text = (await response.json()).error ?? text; } catch { /* no JSON: the status has to do */ }
  throw new Refused(response.status, text, Number(response.headers.get("retry-after")) || 0);
}

export async function ask(path, options = {}) {
  try {
    return await checked(await fetch(path, options));
  } catch (error) {
    if (error instanceof Refused || error.name === "AbortError") throw error;
    throw new Refused(0, "the server does not answer; is `ganvas serve` still running?");
  }
}

export const json = async (path, options) => (await ask(path, options)).json();

export const post = (path, body, signal) =>
  ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal });

export const postJson = async (path, body) => (await post(path, body)).json();

// A picture of n images as they were asked for, as one sheet; the answer to an upload.
export async function sendSheet(path, file, signal) {
  const picture = await createImageBitmap(await send(path, file, signal));
  signal?.throwIfAborted();
  return picture;
}

export async function send(path, file, signal) {
  const form = new FormData();
  form.append("file", file);
  return (await ask(path, { method: "POST", body: form, signal })).blob();
}

// A sheet of n images without gaps, `columns` wide.
export const sheet = (model, what, body, columns, signal) => sheetOf(`/api/models/${model}/${what}`, { ...body, columns }, signal);

export async function sheetOf(path, body, signal) {
  const response = await post(path, { ...body, format: "png", gap: 0 }, signal);
  const picture = await createImageBitmap(await response.blob());
  signal?.throwIfAborted(); // a newer question may have been asked while this one was decoded
  return picture;
}

// Why a job has no result: its own last word, or that it was stopped.
export function failure(job) {
  const last = job.log.at(-1) ?? "";
  return last.startsWith("ganvas: ") && last !== "ganvas: interrupted" ? last.slice(8) : "Stopped before it was done.";
}

// A token in the address (#token=...) becomes a cookie that scripts cannot read, and leaves the address.
export async function signIn() {
  const found = location.hash.match(/^#token=([^&]+)/);
  if (!found) return;
  history.replaceState(null, "", location.pathname + "#/");
  await ask("/api/session", { headers: { authorization: `Bearer ${decodeURIComponent(found[1])}` } });
}
