"use strict";
/* What moves in the report: values under the pointer, lines that hide, the provenance view, the trajectory browser.
   Every text from the run is set with textContent; nothing here makes markup from a string. */
const faults = [];
addEventListener("error", (e) => { faults.push(e.message); document.body.dataset.faults = faults.join(" | "); });
const data = JSON.parse(document.getElementById("payload").textContent);
const tip = document.getElementById("tip");

function make(tag, attributes, ...children) {
  const node = tag === "svg" || tag === "path" ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.filter((c) => c !== null && c !== ""));
  return node;
}

function showTip(event, ...content) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const right = event.clientX + 14 + box.width > innerWidth;
  tip.style.left = Math.max(4, right ? event.clientX - box.width - 14 : event.clientX + 14) + "px";
  tip.style.top = Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 4)) + "px";
}
const hideTip = () => { tip.hidden = true; };

document.addEventListener("pointerover", (event) => {
  const target = event.target.closest("[data-tip]");
  if (target) showTip(event, target.dataset.tip);
});
document.addEventListener("pointerout", (event) => { if (event.target.closest("[data-tip]")) hideTip(); });

/* learning curves */
function shortNumber(y) {
  if (y === 0) return "0";
  return Math.abs(y) >= 1000 ? Math.round(y).toLocaleString("en") : String(Number(y.toPrecision(3)));
}
function nearest(points, x) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) { const middle = (low + high) >> 1; if (points[middle][0] < x) low = middle; else high = middle; }
  return x - points[low][0] < points[high][0] - x ? points[low] : points[high];
}
function startCurve(chart) {
  const figure = document.getElementById(chart.id), canvas = figure.querySelector(".canvas"), hidden = new Set();
  const cursor = make("div", { class: "cursor", hidden: "" });
  canvas.append(cursor);
  canvas.addEventListener("pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const x = chart.x[0] + (chart.x[1] - chart.x[0]) * Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    const shown = chart.series.map((s, i) => ({ s, i, at: nearest(s.points, x) })).filter((v) => !hidden.has(v.i));
    if (!shown.length) return;
    cursor.hidden = false;
    cursor.style.left = (100 * (shown[0].at[0] - chart.x[0])) / (chart.x[1] - chart.x[0]) + "%";
    cursor.replaceChildren(...shown.map(({ s, at }) => {
      const dot = make("i", { class: "c" + s.colour });
      dot.style.top = 100 - (100 * (at[1] - chart.y[0])) / (chart.y[1] - chart.y[0]) + "%";
      return dot;
    }));
    const rows = shown.slice().sort((a, b) => b.at[1] - a.at[1]);
    showTip(event, make("div", {}, "step " + shown[0].at[0].toLocaleString("en")),
      ...rows.map(({ s, at }) => make("div", { class: "c" + s.colour }, make("i"), s.label, make("b", {}, shortNumber(at[1])))));
  });
  canvas.addEventListener("pointerleave", () => { cursor.hidden = true; hideTip(); });
  for (const button of figure.querySelectorAll(".legend button")) {
    button.addEventListener("click", () => {
      const i = Number(button.dataset.series), off = !hidden.has(i);
      if (off) hidden.add(i); else hidden.delete(i);
      button.setAttribute("aria-pressed", String(!off));
      figure.querySelector(`g[data-series="${i}"]`).toggleAttribute("hidden", off);
    });
  }
}

/* provenance: cards in four columns, edges drawn between them wherever they stand */
const COLUMNS = ["task", "actions", "observations", "evidence"];
function startStories() {
  const tabs = document.getElementById("story-tabs"), stage = document.getElementById("story");
  if (!tabs) return;
  let story, cards, lines;
  const focus = (id) => {
    const near = new Set([id]);
    story.edges.forEach(([from, to], i) => {
      const on = from === id || to === id;
      lines[i].classList.toggle("on", on);
      if (on) near.add(from).add(to);
    });
    for (const [name, card] of cards) card.classList.toggle("on", near.has(name));
    stage.classList.toggle("focus", id !== null);
  };
  const draw = () => {
    const origin = stage.getBoundingClientRect();
    story.edges.forEach(([from, to], i) => {
      const a = cards.get(from).getBoundingClientRect(), b = cards.get(to).getBoundingClientRect();
      let x1 = a.right - origin.left, x2 = b.left - origin.left;
      let y1 = a.top + a.height / 2 - origin.top, y2 = b.top + b.height / 2 - origin.top;
      if (Math.abs(a.left - b.left) < 4) { // the same column: down the middle
        x1 = x2 = a.left + 22 - origin.left;
        [y1, y2] = a.top < b.top ? [a.bottom - origin.top, b.top - origin.top] : [a.top - origin.top, b.bottom - origin.top];
        lines[i].setAttribute("d", `M${x1} ${y1}L${x2} ${y2}`);
        return;
      }
      if (a.left > b.left) { x1 = a.left - origin.left; x2 = b.right - origin.left; }
      const bend = (x2 - x1) / 2;
      lines[i].setAttribute("d", `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
    });
  };
  const card = (node) => make("button", {
    type: "button", class: "node n-" + node.kind, "aria-expanded": "false",
    onclick: (e) => { const c = e.currentTarget; c.setAttribute("aria-expanded", String(c.getAttribute("aria-expanded") !== "true")); draw(); },
    onpointerenter: () => focus(node.id), onpointerleave: () => focus(null), onfocus: () => focus(node.id), onblur: () => focus(null),
  }, make("b", {}, node.title + (node.required ? " · required" : "")), make("span", {}, node.text));
  const open = (index) => {
    story = data.stories[index];
    cards = new Map(story.nodes.map((n) => [n.id, card(n)]));
    lines = story.edges.map(([, , kind]) => make("path", { class: "edge e-" + kind }));
    const columns = COLUMNS.map((name, c) => make("div", { class: "col" }, make("span", {}, name), ...story.nodes.filter((n) => n.column === c).map((n) => cards.get(n.id))));
    stage.replaceChildren(make("svg", {}, ...lines), ...columns);
    [...tabs.children].forEach((tab, i) => tab.setAttribute("aria-selected", String(i === index)));
    draw();
  };
  tabs.append(...data.stories.map((s, i) => make("button", { type: "button", role: "tab", onclick: () => open(i) }, s.domain)));
  open(0);
  new ResizeObserver(draw).observe(stage);
}

/* trajectories */
const SHARE = { domain: "all domains", model: "all models", outcome: "right and wrong" };
function written(text) {
  const pieces = text.split(/(<\/?(?:think|tool_call)>)/);
  return pieces.map((p, i) => (i % 2 ? make("span", { class: "tag" }, p) : p));
}
function piece(p) {
  if (p.kind === "note") return make("p", { class: "note" }, p.text);
  if (p.kind === "step")
    return make("div", { class: "piece step " + (p.passed ? "right" : "wrong") }, make("i"), `step verdict ${p.score}${p.why ? ": " + p.why : ""}`);
  const about = [make("b", {}, p.kind === "tool" ? "tool · " + p.who : p.who)];
  if (p.kind === "policy" && p.tokens) about.push(`${p.tokens} tokens, all with loss`);
  if (p.cut) about.push("cut at the budget");
  if (p.kind === "tool" && !p.ok) about.push("error");
  const sources = (p.sources || []).map((s) => make("span", {}, s));
  return make("div", { class: `piece ${p.kind}${p.ok === false ? " failed" : ""}` }, make("header", {}, ...about),
    make("pre", {}, ...(p.kind === "policy" ? written(p.text) : [p.text])), sources.length ? make("div", { class: "sources" }, ...sources) : null);
}
/* long attempts: a line for each turn, which opens; what stands under it is made when it does */
const FOLD = 16, ENDS = 3;
function turnLine(pieces) {
  const policy = pieces.find((p) => p.kind === "policy"), tools = pieces.filter((p) => p.kind === "tool"), step = pieces.find((p) => p.kind === "step");
  const call = policy ? policy.text.replace(/\s+/g, " ").trim() : "";
  const spelled = call.match(/<tool_call> ?(?:\{"name": "(\w+)", "arguments": )?(.*?)\}? ?<\/tool_call>/);
  const about = [make("b", {}, `turn ${pieces[0].turn}`)];
  if (tools.length) about.push(make("i", {}, tools.map((p) => p.who).join(", ")));
  if (step) about.push(make("em", { class: step.passed ? "right" : "wrong" }, step.passed ? "✓" : "✗"));
  if (tools.some((p) => !p.ok)) about.push(make("em", { class: "wrong" }, "error"));
  about.push(make("span", {}, (spelled ? `${call.slice(0, spelled.index)} ${spelled[2]}` : call).slice(0, 240)));
  return about;
}
function folded(t) {
  const turns = new Map(), shown = [];
  for (const p of t.pieces) {
    if (p.turn === undefined) { shown.push(piece(p)); continue; }
    if (!turns.has(p.turn)) { turns.set(p.turn, []); shown.push(p.turn); }
    turns.get(p.turn).push(p);
  }
  if (turns.size <= FOLD) return t.pieces.map(piece);
  const fold = (number) => {
    const pieces = turns.get(number), box = make("details", { class: "turn" }, make("summary", {}, ...turnLine(pieces)));
    box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(...pieces.map(piece)); });
    box.open = number <= ENDS || number > t.turns - ENDS;
    return box;
  };
  const all = shown.map((p) => (typeof p === "number" ? fold(p) : p)), boxes = all.filter((n) => n.tagName === "DETAILS");
  const button = make("button", { type: "button", class: "unfold", onclick: () => {
    const open = boxes.some((b) => !b.open);
    for (const b of boxes) b.open = open;
    button.textContent = open ? "Fold all turns" : "Open all turns";
  } }, "Open all turns");
  all.splice(all.findIndex((n) => n.tagName === "DETAILS"), 0, button);
  return all;
}
function verdictBox(t) {
  const v = t.verdict;
  const parts = v.parts.map((p) => {
    const bar = make("b");
    bar.style.width = 100 * Math.min(1, Math.max(0, p.value)) + "%";
    return make("div", { class: "part" }, make("span", {}, p.name), make("i", {}, bar), make("span", { class: "num" }, String(Number(p.value.toFixed(2)))));
  });
  return make("div", { class: "final" }, make("p", {}, make("b", { class: t.passed ? "right" : "wrong" }, t.passed ? "✓ right" : "✗ wrong"), ` · score ${v.score}`),
    v.why ? make("p", {}, v.why) : null, make("p", { class: "dim" }, "expected: " + (t.expected || "–")), parts.length ? make("div", { class: "parts" }, ...parts) : null);
}
function startBrowser() {
  const list = document.getElementById("list"), article = document.getElementById("attempt"), filters = document.getElementById("filters");
  if (!list) return;
  data.samples.forEach((t, i) => { t.outcome = t.passed ? "right" : "wrong"; t.index = i; });
  const chosen = { domain: "", model: "", outcome: "" };
  let shown = [];
  const open = (t, scroll) => {
    for (const button of list.querySelectorAll("button")) button.setAttribute("aria-current", String(Number(button.dataset.index) === t.index));
    const about = [`${t.turns} turns`, `${t.written} tokens written`, `${t.read} read`, `level ${t.level}`, t.status + (t.reason ? `: ${t.reason}` : "")];
    const evidence = t.evidence.map((e) => make("p", {}, make("b", {}, e.node), " " + e.text));
    if (t.more_evidence) evidence.push(make("p", {}, `and ${t.more_evidence} more`));
    article.replaceChildren(make("h3", {}, `${t.domain} · ${t.model}`), make("p", { class: "meta" }, t.id, make("br"), about.join(" · ")), ...folded(t),
      verdictBox(t), evidence.length ? make("details", {}, make("summary", {}, "Evidence the task requires"), ...evidence) : "");
    article.scrollTop = 0;
    if (scroll) list.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
  };
  const row = (t) => make("li", {}, make("button", { type: "button", "data-index": t.index, onclick: () => open(t) },
    make("div", { class: "head" }, make("b", { class: t.outcome }, t.passed ? "✓" : "✗"), make("b", {}, t.domain), make("span", {}, `${t.model} · ${t.turns} turn${t.turns === 1 ? "" : "s"}`)), make("p", {}, t.question)));
  const refresh = () => {
    shown = data.samples.filter((t) => Object.entries(chosen).every(([k, v]) => !v || t[k] === v));
    list.replaceChildren(...shown.map(row));
    if (shown.length) open(shown[0]);
    else article.replaceChildren(make("p", { class: "note" }, "No attempt fits these filters."));
  };
  for (const [name, all] of Object.entries(SHARE)) {
    const values = [...new Set(data.samples.map((t) => t[name]))];
    const choose = (value) => (event) => {
      chosen[name] = value;
      for (const b of event.currentTarget.parentNode.querySelectorAll("button")) b.setAttribute("aria-pressed", String(b === event.currentTarget));
      refresh();
    };
    filters.append(make("div", {}, ...["", ...values].map((v) => make("button", { type: "button", "aria-pressed": String(v === ""), onclick: choose(v) }, v || all))));
  }
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !shown.length) return;
    event.preventDefault();
    const at = shown.findIndex((t) => t.index === Number(list.querySelector("[aria-current=true]")?.dataset.index));
    open(shown[Math.min(shown.length - 1, Math.max(0, at + step))], true);
  });
  refresh();
}

data.charts.forEach(startCurve);
startStories();
startBrowser();
document.body.dataset.ready = "yes";
