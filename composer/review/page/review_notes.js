/* What is said about the one in focus: verdicts, comments, and what was drawn on the picture. */

import { decide } from "./review_store.js";

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const DONE = { approve: "approved", reject: "rejected", withdraw: "withdrew the verdict on", comment: "commented on" };
const NEAR = 0.002, MOST_POINTS = 1200;

function made(tag, text, className = "") { return Object.assign(document.createElement(tag), { textContent: text, className }); }

export class Notes {
  constructor(app) {
    Object.assign(this, { app, pending: null, busy: false });
    $("who").value = localStorage.getItem("muster.who") || "";
    $("form").addEventListener("submit", (e) => { e.preventDefault(); this.send(e.submitter?.value || "comment"); });
    $("unstroke").onclick = () => { this.pending?.strokes.pop(); this.inked(); };
    $("unink").onclick = () => { this.pending = null; this.inked(); };
  }

  /* --- the panel --- */

  update() {
    const { app } = this, item = app.items.get(app.focus), stands = app.decided.states[app.focus];
    $("about").textContent = item.title;
    $("stands").textContent = stands ? `${DONE[stands.do]} by ${stands.who}, ${when(stands.at)}` : "";
    $("stands").className = stands?.do || "";
    $("withdraw").hidden = !stands;
    $("facts").replaceChildren(...item.lines.map((line) => made("li", line)), ...item.price.map((p) => {
      const line = made("li", "");
      line.append(made("b", `${p.quality}  ${p.time}`), `  ${p.hours}, ${p.money} ${p.error}`);
      return line;
    }));
    $("said").replaceChildren(...app.decided.lines.toReversed().map((line) => this.line(line)));
    const { wrong } = app.decided;
    $("sealed").className = wrong.length ? "bad" : "";
    $("sealed").textContent = wrong.length ? wrong.join("\n") : app.decided.lines.length ? "all lines signed and in their chain" : "none yet";
    this.dots();
  }

  line(line) {
    const { app } = this, entry = made("li", "", line.wrong ? "wrong" : ""), title = app.items.get(line.item)?.title || line.item;
    const go = made("button", `${title}, frame ${line.frame}`);
    go.onclick = () => { app.clock.stop(); app.setA(line.item); app.setFrame(line.frame); };
    const what = made("span", ` ${line.do === "comment" ? "" : DONE[line.do]}`, line.do);
    entry.append(go, what, document.createElement("br"), made("small", `${line.who}, ${when(line.at)}${line.marks.length ? ", drawn" : ""}`));
    if (line.text) entry.append(made("p", line.text));
    if (line.wrong) entry.append(made("p", line.wrong));
    return entry;
  }

  dots() {
    const { frames } = this.app.state, noted = new Set(this.app.decided.lines.map((l) => l.frame));
    $("dots").replaceChildren(...frames.flatMap((frame, i) => {
      if (!noted.has(frame)) return [];
      const dot = document.createElement("i");
      dot.style.left = `${frames.length > 1 ? (100 * i) / (frames.length - 1) : 50}%`;
      return [dot];
    }));
  }

  async send(deed) {
    const { app } = this, who = $("who").value.trim(), text = $("text").value.trim();
    if (this.busy) return;
    if (!who) { $("who").focus(); app.say("your name, please", true); return; }
    if (deed === "comment" && !text && !this.pending) { $("text").focus(); app.say("write something, or draw on the picture", true); return; }
    const item = this.pending?.item || app.focus, frame = this.pending?.frame ?? app.frame;
    localStorage.setItem("muster.who", who);
    app.clock.stop();
    this.busy = true;
    try {
      const decided = await decide({ do: deed, item, frame, who, text, marks: this.pending?.strokes || [] });
      $("text").value = "";
      this.pending = null;
      this.inked();
      app.hand.setPen(false);
      app.hear(decided, true);
      app.say(`${DONE[deed]} ${app.items.get(item).title}, frame ${frame}`);
    } catch (error) { app.say(error.message, true); }
    this.busy = false;
  }

  /* --- ink --- */

  begin({ item, u, v }) {
    const { frame } = this.app;
    if (!this.pending || this.pending.item !== item || this.pending.frame !== frame) this.pending = { item, frame, strokes: [] };
    const points = [[u, v]];
    this.pending.strokes.push(points);
    this.app.setFocus(item);
    return { item, points };
  }

  extend({ points }, u, v) {
    const [x, y] = points.at(-1);
    if (points.length < MOST_POINTS && Math.hypot(u - x, v - y) > NEAR) points.push([u, v]);
    this.drawInk();
  }

  end({ points }) {
    if (points.length < 2) this.pending.strokes.splice(this.pending.strokes.indexOf(points), 1);
    this.inked();
  }

  inked() {
    if (this.pending && !this.pending.strokes.length) this.pending = null;
    $("drawn").hidden = !this.pending;
    const count = this.pending?.strokes.length;
    if (count) $("drawn").firstElementChild.textContent = `${count} ${count === 1 ? "stroke" : "strokes"} on frame ${this.pending.frame}`;
    this.drawInk();
  }

  frameChanged() { this.drawInk(); }

  drawInk() {
    const { app } = this;
    if (!app.items.size || app.clock.playing) { $("ink").replaceChildren(); return; }
    $("ink").replaceChildren(...app.panes().map((pane) => this.inkOf(pane)));
  }

  inkOf(pane) {
    const { app } = this, { clip } = pane, box = app.boxOf(pane), sheet = document.createElementNS(SVG, "svg");
    for (const [key, value] of Object.entries({ x: clip.x, y: clip.y, width: clip.w, height: clip.h, overflow: "hidden" })) sheet.setAttribute(key, value);
    const lines = app.decided.lines.filter((l) => l.item === pane.item && l.frame === app.frame);
    const strokes = lines.flatMap((l) => l.marks);
    if (this.pending?.item === pane.item && this.pending.frame === app.frame) strokes.push(...this.pending.strokes);
    for (const stroke of strokes) {
      const points = stroke.map(([u, v]) => `${(box.x - clip.x + u * box.w).toFixed(1)},${(box.y - clip.y + v * box.h).toFixed(1)}`).join(" ");
      for (const className of ["under", "over"]) {
        const line = document.createElementNS(SVG, "polyline");
        line.setAttribute("points", points);
        line.setAttribute("class", className);
        sheet.append(line);
      }
    }
    return sheet;
  }
}

function when(at) {
  const day = new Date(at), time = day.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return day.toDateString() === new Date().toDateString() ? time : `${day.toLocaleDateString()} ${time}`;
}
