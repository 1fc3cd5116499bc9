/* The pointer: zoom and pan of all panes together, the wipe, the pen, and who stands under it. */

import { getWho } from "./review_store.js";

const $ = (id) => document.getElementById(id);
const CLICK_PX = 4, REST_MS = 70;
const DEEDS = {
  hide: () => "hide: true",
  turn: () => "turn_deg: 15",
  "re-roll": () => "reroll: 1",
  falls: (app) => `kill_at: ${app.frame}`,
};

export class Hand {
  constructor(app) {
    Object.assign(this, { app, down: new Map(), moved: 0, stroke: null, rest: 0, deed: "hide", chosen: null, asked: 0 });
    const glass = $("glass");
    glass.addEventListener("pointerdown", (e) => this.press(e));
    glass.addEventListener("pointermove", (e) => this.move(e));
    glass.addEventListener("pointerup", (e) => this.lift(e));
    glass.addEventListener("pointercancel", (e) => { this.down.delete(e.pointerId); this.stroke = null; });
    glass.addEventListener("pointerleave", () => this.nobody());
    glass.addEventListener("dblclick", (e) => this.fitOrPixels(e.offsetX, e.offsetY));
    glass.addEventListener("wheel", (e) => { e.preventDefault(); this.zoomAt(e.offsetX, e.offsetY, 2 ** (-e.deltaY / 300)); }, { passive: false });
    this.bindWipe();
    $("pen").onclick = () => this.setPen(!this.pen);
    $("soldierClose").onclick = () => this.close();
    $("deeds").append(...Object.keys(DEEDS).map((name) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      button.onclick = () => { this.deed = name; this.copy(); };
      return button;
    }));
  }

  setPen(on) {
    this.pen = on;
    $("pen").setAttribute("aria-pressed", String(on));
    $("glass").classList.toggle("pen", on);
    if (on) { this.app.clock.stop(); this.app.say("draw on the picture, then comment, approve or reject"); }
  }

  /* --- zoom and pan --- */

  zoomAt(x, y, factor) {
    const { app } = this, at = app.at(x, y), zoom = Math.min(40, Math.max(0.2, app.view.zoom * factor));
    if (!at) return;
    const box = app.boxOf(at), grown = zoom / app.view.zoom, { pane } = at;
    // what is under the pointer stays there
    app.setView({ zoom, x: at.u - (x - pane.x - pane.w / 2) / (box.w * grown), y: at.v - (y - pane.y - pane.h / 2) / (box.h * grown) });
  }

  zoomMiddle(factor) { const { pane } = this.app.panes()[0]; this.zoomAt(pane.x + pane.w / 2, pane.y + pane.h / 2, factor); }

  fit() { this.app.setView({ zoom: 1, x: 0.5, y: 0.5 }); }

  fitOrPixels(x, y) { if (this.pen) return; if (this.app.view.zoom !== 1) this.fit(); else this.zoomAt(x, y, 4); }

  pan(dx, dy) {
    const { app } = this, box = app.boxOf(app.panes()[0]), { zoom, x, y } = app.view;
    app.setView({ zoom, x: x - dx / box.w, y: y - dy / box.h });
  }

  /* --- the pointer --- */

  press(e) {
    $("glass").setPointerCapture(e.pointerId);
    this.down.set(e.pointerId, { x: e.offsetX, y: e.offsetY });
    this.moved = this.down.size > 1 ? CLICK_PX + 1 : 0;
    const at = this.app.at(e.offsetX, e.offsetY);
    if (this.pen && at && this.down.size === 1) this.stroke = this.app.notes.begin(at);
    else this.stroke = null;
    this.nobody();
  }

  move(e) {
    const last = this.down.get(e.pointerId);
    if (!last) { this.hover(e.offsetX, e.offsetY); return; }
    const dx = e.offsetX - last.x, dy = e.offsetY - last.y;
    this.moved += Math.hypot(dx, dy);
    if (this.stroke) this.drawTo(e.offsetX, e.offsetY);
    else if (this.down.size === 2) this.pinch(e, last);
    else if (this.moved > CLICK_PX) { $("glass").classList.add("drag"); this.pan(dx, dy); }
    Object.assign(last, { x: e.offsetX, y: e.offsetY });
  }

  pinch(e, last) {
    const other = [...this.down.entries()].find(([id]) => id !== e.pointerId)[1];
    const before = Math.hypot(last.x - other.x, last.y - other.y), now = Math.hypot(e.offsetX - other.x, e.offsetY - other.y);
    if (before > 0) this.zoomAt((e.offsetX + other.x) / 2, (e.offsetY + other.y) / 2, now / before);
  }

  drawTo(x, y) {
    const pane = this.app.panes().find((p) => p.item === this.stroke.item);
    if (!pane) return;
    const box = this.app.boxOf(pane);
    this.app.notes.extend(this.stroke, Math.min(1.2, Math.max(-0.2, (x - box.x) / box.w)), Math.min(1.2, Math.max(-0.2, (y - box.y) / box.h)));
  }

  lift(e) {
    this.down.delete(e.pointerId);
    $("glass").classList.remove("drag");
    if (this.stroke) { this.app.notes.end(this.stroke); this.stroke = null; return; }
    if (this.moved <= CLICK_PX) this.click(e.offsetX, e.offsetY);
  }

  bindWipe() {
    const wipe = $("wipe"), to = (share) => { this.app.wipe = Math.min(1, Math.max(0, share)); this.app.draw(); };
    wipe.addEventListener("pointerdown", (e) => wipe.setPointerCapture(e.pointerId));
    wipe.addEventListener("pointermove", (e) => {
      if (!wipe.hasPointerCapture(e.pointerId)) return;
      const stage = $("stage").getBoundingClientRect();
      to((e.clientX - stage.left) / stage.width);
    });
    wipe.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 }[e.key];
      if (step === undefined) return;
      e.preventDefault();
      e.stopPropagation();
      to(this.app.wipe + step * (e.shiftKey ? 5 : 1));
    });
  }

  /* --- who is there --- */

  async whoAt(x, y) {
    const { app } = this, at = app.at(x, y), mine = (this.asked += 1);
    if (!at || at.u < 0 || at.u > 1 || at.v < 0 || at.v > 1 || !app.has(at.item, app.frame)) return null;
    const who = await getWho(at.item, app.frame, at.u, at.v);
    return mine === this.asked && who ? { ...who, item: at.item } : null;
  }

  hover(x, y) {
    clearTimeout(this.rest);
    this.nobody();
    if (this.pen || this.app.clock.playing) return;
    this.rest = setTimeout(() => this.whoAt(x, y).then((who) => {
      if (!who) return;
      const kind = Object.assign(document.createElement("span"), { textContent: `  ${[who.side, who.cast].filter(Boolean).join(" ")}` });
      $("tip").replaceChildren(who.name, kind);
      this.place($("tip"), x, y);
      $("glass").classList.add("who");
    }, (error) => this.app.say(error.message, true)), REST_MS);
  }

  nobody() { clearTimeout(this.rest); this.asked += 1; $("tip").hidden = true; $("glass").classList.remove("who"); }

  place(box, x, y) {
    box.hidden = false;
    const w = $("stage").clientWidth, h = $("stage").clientHeight;
    box.style.left = `${Math.max(4, Math.min(x + 14, w - box.offsetWidth - 4))}px`;
    box.style.top = `${Math.max(4, Math.min(y + 14, h - box.offsetHeight - 4))}px`;
  }

  async click(x, y) {
    const { app } = this, at = app.at(x, y);
    if (at) app.setFocus(at.item);
    this.close();
    if (this.pen) return;
    try {
      const who = await this.whoAt(x, y);
      if (!who) return;
      this.chosen = who;
      $("soldierName").textContent = who.name;
      $("soldierKind").textContent = [who.side, who.cast].filter(Boolean).join(" ");
      this.place($("soldier"), x, y);
      await this.copy();
    } catch (error) { app.say(error.message, true); }
  }

  async copy() {
    const text = `overrides:\n  - {soldier: ${this.chosen.name}, ${DEEDS[this.deed](this.app)}}\n`;
    $("yaml").textContent = text;
    for (const button of $("deeds").children) button.setAttribute("aria-pressed", String(button.textContent === this.deed));
    const copied = await toClipboard(text, $("yaml"));
    $("copied").textContent = copied ? "copied: paste it into shot.yaml" : "select it and copy";
    this.app.say(copied ? `override for ${this.chosen.name} copied` : `override for ${this.chosen.name}`);
  }

  close() { $("soldier").hidden = true; this.chosen = null; }
}

/* Only pages of this machine may use the clipboard; elsewhere the old way may work. */
async function toClipboard(text, from) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed, or not there */ }
  getSelection().selectAllChildren(from);
  return document.execCommand("copy");
}
