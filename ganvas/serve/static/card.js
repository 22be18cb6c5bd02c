// A model's card as people read it: of Markdown what cards hold, which is headings, lists, code, tables and paragraphs.

import { h } from "/static/dom.js";

export function card(text) {
  const lines = text.split("\n"), made = [];
  const run = (test) => { // the lines from here on that pass
    const found = [];
    while (lines.length && test(lines[0])) found.push(lines.shift());
    return found;
  };
  while (lines.length) {
    const line = lines[0];
    if (line.startsWith("```")) {
      lines.shift();
      made.push(h("pre", { tabIndex: 0 }, run((one) => !one.startsWith("```")).join("\n")));
      lines.shift();
    } else if (line.startsWith("|")) {
      made.push(table(run((one) => one.startsWith("|"))));
    } else if (line.startsWith("- ")) {
      made.push(h("ul", {}, run((one) => one.startsWith("- ")).map((one) => h("li", {}, one.slice(2)))));
    } else if (/^#+ /.test(line)) {
      made.push(h("h3", {}, lines.shift().replace(/^#+ /, "")));
    } else if (!line || line.startsWith("![")) { // its picture is in the gallery
      lines.shift();
    } else {
      made.push(h("p", {}, [lines.shift(), ...run((one) => one && !/^(```|\||- |#+ )/.test(one))].join(" ")));
    }
  }
  return made;
}

function table([head, , ...rows]) {
  const cells = (row, tag) => row.split("|").slice(1, -1).map((cell) => h(tag, {}, cell.trim()));
  return h("details", {}, h("summary", {}, `Settings: ${rows.length} fields`),
    h("div", { className: "scroll" }, h("table", { className: "narrow" }, h("thead", {}, h("tr", {}, cells(head, "th"))), h("tbody", {}, rows.map((row) => h("tr", {}, cells(row, "td")))))));
}
