// The API, from its own description.

import { json } from "/static/api.js";
import { h } from "/static/dom.js";

export async function described() {
  const api = await json("/openapi.json");
  const groups = new Map();
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, call] of Object.entries(methods)) {
      const tag = call.tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), { path, method: method.toUpperCase(), call }]);
    }
  }
  return h("section", {}, h("h1", {}, "API"),
    h("p", {}, "Everything on these pages can be asked for by a program. ", h("a", { href: "/openapi.json" }, "openapi.json"), " describes it whole."),
    [...groups].map(([tag, calls]) => h("section", {}, h("h2", {}, tag), calls.map((one) => entry(one, api)))));
}

function entry({ path, method, call }, api) {
  const example = exampleOf(call, api);
  const query = (call.parameters ?? []).filter((one) => one.in === "query").map((one) => one.name);
  const parts = ["curl"];
  if (example) parts.push(`-H 'content-type: application/json' -d '${JSON.stringify(example)}'`);
  else if (call.requestBody) parts.push("-F file=@picture.png");
  else if (method !== "GET") parts.push(`-X ${method}`);
  return h("details", { className: "panel" }, h("summary", {}, h("code", {}, `${method} ${path}`), ` ${call.summary ?? ""}`),
    call.description && call.description !== call.summary ? h("p", { className: "small" }, call.description) : null,
    query.length ? h("p", { className: "small faint" }, `In the address: ${query.join(", ")}`) : null,
    h("pre", {}, `${parts.join(" ")} '${location.origin}${path}'`));
}

function exampleOf(call, api) {
  const schema = call.requestBody?.content?.["application/json"]?.schema;
  const name = schema?.$ref?.split("/").at(-1);
  return (name ? api.components.schemas[name] : schema)?.examples?.[0];
}
