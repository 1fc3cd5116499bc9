/* The layout page. The server's answer (`state`) is the only truth; every edit comes back as a new one. */

import { ask } from "./ask.js";

const $ = (id) => document.getElementById(id);
const plan = $("plan"), view = $("view"), tip = $("tip");
const NEAR_PX = 9;

let state = null;            // what the server said
let frame = Number(new URLSearchParams(location.search).get("frame")) || null;
let chosen = null;           // {kind: "soldier", name} | {kind: "region", name}
let hover = -1;              // index of the soldier under the pointer
let eye = null;              // {x, z, perM}: what is in the middle of the paper, and how large
let drag = null;
let nudge = null;            // arrow keys held: {name, x, z, timer}
let relief = null, picture = null, busy = 0;
let colours = {};

/* --- the server --- */

async function load() {
  const path = frame === null ? "/api/state" : `/api/state?frame=${frame}`;
  try { take(await (await ask(path)).json()); } catch (error) { say(error.message, true); }
}

function take(fresh) {
  const first = state === null, changed = first || fresh.revision !== state.revision || fresh.frame !== state.frame;
  const names = first || fresh.name.length !== state.name.length;
  state = fresh;
  frame = state.frame;
  document.title = `${state.shot} ${state.version}: layout`;
  $("title").textContent = `${state.shot} ${state.version}`;
  Object.assign($("frame"), { value: frame, min: state.frames[0], max: state.frames[1] });
  $("undo").disabled = !state.undo;
  $("redo").disabled = !state.redo;
  if (first) { fit(); loadRelief(); }
  if (names) $("names").replaceChildren(...state.name.slice(0, 2000).map((n) => Object.assign(document.createElement("option"), { value: n })));
  if (changed) loadView();
  hover = -1;
  inspect();
  list();
  draw();
}

async function edit(what, done) {
  busy += 1;
  say("writing …");
  try {
    const body = JSON.stringify({ edit: what, revision: state.revision, frame });
    const response = await ask("/api/edit", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    take(await response.json());
    say(done);
  } catch (error) {
    say(error.message, true);
    if (error.status === 409) await load(); else { inspect(); draw(); }
  } finally { busy -= 1; }
}

let viewWanted = 0;
async function loadView() {
  const mine = ++viewWanted;
  $("viewname").textContent = "looking through the camera …";
  try {
    const blob = await (await ask(`/api/view.jpg?frame=${frame}`)).blob();
    const image = await createImageBitmap(blob);
    if (mine !== viewWanted) return;
    picture = image;
    $("viewname").textContent = "through the camera: point at a soldier, click to choose him";
    drawView();
  } catch (error) { if (mine === viewWanted) $("viewname").textContent = error.message; }
}

async function loadRelief() {
  if (!state.relief) return;
  try { relief = { image: await createImageBitmap(await (await ask("/api/relief.png")).blob()), extent: state.extent }; draw(); }
  catch (error) { relief = null; }
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

/* --- geometry: the world's (x, z) on the paper, -Z up --- */

const size = () => [plan.clientWidth, plan.clientHeight];
const toPx = (x, z) => { const [w, h] = size(); return [(x - eye.x) * eye.perM + w / 2, (z - eye.z) * eye.perM + h / 2]; };
const toWorld = (px, py) => { const [w, h] = size(); return [(px - w / 2) / eye.perM + eye.x, (py - h / 2) / eye.perM + eye.z]; };

function fit() {
  const [x0, z0, x1, z1] = state.extent, [w, h] = size();
  eye = { x: (x0 + x1) / 2, z: (z0 + z1) / 2, perM: Math.max(0.01, Math.min(w / (x1 - x0), h / (z1 - z0))) };
}

function zoom(factor, px, py) {
  const [w, h] = size(), i = chosen && chosen.kind === "soldier" ? number(chosen.name) : -1;
  const at = px !== undefined ? [px, py] : i >= 0 ? toPx(state.x[i], state.z[i]) : [w / 2, h / 2], [x, z] = toWorld(...at);
  eye.perM = Math.min(600, Math.max(0.02, eye.perM * factor));
  const [nx, nz] = toWorld(...at);
  eye.x += x - nx; eye.z += z - nz;
  draw();
}

const number = (name) => state.name.indexOf(name);
const region = (name) => state.regions.find((r) => r.name === name);
const markPx = () => Math.max(0.275 * eye.perM, state.name.length < 20000 ? 3 : 1.4);

function soldierAt(px, py) {
  const [x, z] = toWorld(px, py), reach = Math.max(NEAR_PX, 1.4 * markPx()) / eye.perM;
  let best = reach * reach, found = -1;
  for (let i = 0; i < state.x.length; i++) {
    const dx = state.x[i] - x, dz = state.z[i] - z, d = dx * dx + dz * dz;
    if (d < best) { best = d; found = i; }
  }
  return found;
}

function cornerAt(px, py) {
  if (!chosen || chosen.kind !== "region") return -1;
  return region(chosen.name).points.findIndex(([x, z]) => { const [a, b] = toPx(x, z); return Math.hypot(a - px, b - py) < NEAR_PX; });
}

function inside(points, x, z) {
  let found = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [ax, az] = points[i], [bx, bz] = points[j];
    if ((az > z) !== (bz > z) && x < ((bx - ax) * (z - az)) / (bz - az) + ax) found = !found;
  }
  return found;
}

/** From a point to a stretch of line. */
function apart(px, py, ax, ay, bx, by) {
  const dx = bx - ax, dy = by - ay, t = Math.min(1, Math.max(0, ((px - ax) * dx + (py - ay) * dy) / (dx * dx + dy * dy || 1)));
  return Math.hypot(px - ax - t * dx, py - ay - t * dy);
}

function regionAt(px, py) {
  const [x, z] = toWorld(px, py), area = (p) => Math.abs(p.reduce((s, [ax, az], i) => { const [bx, bz] = p[(i + 1) % p.length]; return s + ax * bz - bx * az; }, 0));
  const on = (r) => r.points.slice(1).some((b, i) => { const [ax, ay] = toPx(...r.points[i]), [bx, by] = toPx(...b); return apart(px, py, ax, ay, bx, by) < NEAR_PX; });
  const path = state.regions.find((r) => r.key && !r.closed && on(r));
  return path || state.regions.filter((r) => r.key && r.closed && inside(r.points, x, z)).sort((a, b) => area(a.points) - area(b.points))[0] || null;
}

/* --- drawing --- */

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "panel", "line", "ink", "faint", "ground", "grid", "sight", "mark", "accent"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
}

function fresh(canvas) {
  const ratio = devicePixelRatio || 1, w = Math.round(canvas.clientWidth * ratio), h = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  return pen;
}

const rgba = ([r, g, b], a) => `rgba(${r},${g},${b},${a})`;
const sideRgb = (name) => (state.sides.find((s) => s.name === name) || { rgb: [140, 140, 140] }).rgb;

let wanted = false;
function draw() {
  if (wanted || !state) return;
  wanted = true;
  requestAnimationFrame(() => { wanted = false; paint(); drawView(); });
}

function paint() {
  const pen = fresh(plan), [w, h] = size();
  pen.fillStyle = colours.ground;
  pen.fillRect(0, 0, w, h);
  if (relief) {
    const [x0, z0, x1, z1] = relief.extent, [ax, ay] = toPx(x0, z0), [bx, by] = toPx(x1, z1);
    pen.globalAlpha = 0.3;
    pen.globalCompositeOperation = document.documentElement.dataset.theme === "light" ? "multiply" : "soft-light";
    pen.drawImage(relief.image, ax, ay, bx - ax, by - ay);
    pen.globalAlpha = 1;
    pen.globalCompositeOperation = "source-over";
  }
  grid(pen, w, h);
  sight(pen);
  regions(pen);
  soldiers(pen, w, h);
  words(pen, w, h);
}

function step(least) {
  const metres = least / eye.perM, power = 10 ** Math.floor(Math.log10(metres));
  return [1, 2, 5, 10].map((k) => k * power).find((s) => s >= metres * 0.999999);
}

function grid(pen, w, h) {
  const by = step(70), [x0, z0] = toWorld(0, 0), [x1, z1] = toWorld(w, h);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  pen.textAlign = "left";
  for (const [from, to, across] of [[x0, x1, true], [z0, z1, false]]) {
    for (let k = Math.ceil(from / by); k <= to / by; k++) {
      const at = across ? toPx(k * by, 0)[0] : toPx(0, k * by)[1];
      pen.strokeStyle = colours.grid;
      pen.lineWidth = k === 0 ? 2 : 1;
      pen.beginPath();
      if (across) { pen.moveTo(at, 0); pen.lineTo(at, h); } else { pen.moveTo(0, at); pen.lineTo(w, at); }
      pen.stroke();
      pen.fillStyle = colours.faint;
      const word = `${+(k * by).toFixed(2)}`;
      if (across) pen.fillText(word, at + 3, h - 3); else pen.fillText(word, 4, at - 2);
    }
  }
}

function path(pen, points, closed = true) {
  pen.beginPath();
  points.forEach(([x, z], i) => { const p = toPx(x, z); if (i) pen.lineTo(...p); else pen.moveTo(...p); });
  if (closed) pen.closePath();
}

function sight(pen) {
  path(pen, state.sight);
  pen.fillStyle = colours.sight;
  pen.globalAlpha = 0.09;
  pen.fill();
  pen.globalAlpha = 1;
  const [cx, cz] = state.camera, angles = state.sight.map(([x, z]) => Math.atan2(z - cz, x - cx));
  const middle = Math.atan2(angles.reduce((s, a) => s + Math.sin(a), 0), angles.reduce((s, a) => s + Math.cos(a), 0));
  const off = angles.map((a) => ((a - middle + 3 * Math.PI) % (2 * Math.PI)) - Math.PI);
  const [px, py] = toPx(cx, cz);
  pen.strokeStyle = pen.fillStyle = colours.sight;
  pen.lineWidth = 1;
  for (const i of [off.indexOf(Math.min(...off)), off.indexOf(Math.max(...off))]) {
    pen.beginPath(); pen.moveTo(px, py); pen.lineTo(...toPx(...state.sight[i])); pen.stroke();
  }
  pen.save();
  pen.translate(px, py);
  pen.rotate(middle);
  pen.fillRect(-11, -5, 10, 10);
  pen.beginPath(); pen.moveTo(-1, 0); pen.lineTo(9, -7); pen.lineTo(9, 7); pen.fill();
  pen.restore();
}

function shape(r) {
  if (!drag || drag.kind === "soldier" || drag.kind === "paper" || drag.name !== r.name) return r.points;
  const [dx, dz] = drag.by;
  return r.points.map(([x, z], i) => (drag.kind === "region" || drag.corner === i ? [x + dx, z + dz] : [x, z]));
}

function regions(pen) {
  for (const r of state.regions) {
    for (const rings of [r.rings, r.dense]) {  // a painted region; holes stay open, the dense part is tinted twice
      pen.beginPath();
      for (const ring of rings) { ring.forEach(([x, z], i) => { const p = toPx(x, z); if (i) pen.lineTo(...p); else pen.moveTo(...p); }); pen.closePath(); }
      pen.fillStyle = rgba(sideRgb(r.side), 0.12);
      pen.fill("evenodd");
      pen.strokeStyle = rgba(sideRgb(r.side), 0.95);
      pen.lineWidth = 1.25;
      if (rings === r.rings) pen.stroke();
    }
    if (!r.points.length) continue;
    const points = shape(r), picked = chosen && chosen.kind === "region" && chosen.name === r.name;
    path(pen, points, r.closed);
    pen.fillStyle = rgba(sideRgb(r.side), picked ? 0.22 : 0.1);
    if (r.closed) pen.fill();
    pen.strokeStyle = rgba(sideRgb(r.side), 0.95);
    pen.lineWidth = picked ? 2.5 : 1.25;
    pen.stroke();
    if (!picked) continue;
    for (const [x, z] of points) {
      const [px, py] = toPx(x, z);
      pen.beginPath(); pen.arc(px, py, 6, 0, 7);
      pen.fillStyle = colours.panel; pen.fill();
      pen.strokeStyle = colours.mark; pen.lineWidth = 2; pen.stroke();
    }
  }
}

function placeOf(i) {
  const x = state.x[i], z = state.z[i];
  if (drag && drag.kind === "soldier" && drag.i === i) return [x + drag.by[0], z + drag.by[1]];
  if (nudge && nudge.name === state.name[i]) return [nudge.x, nudge.z];
  return [x, z];
}

function soldiers(pen, w, h) {
  const r = markPx();
  for (let s = 0; s < state.sides.length; s++) {
    pen.beginPath();
    for (let i = 0; i < state.x.length; i++) {
      if (state.side[i] !== s) continue;
      const [px, py] = toPx(...placeOf(i));
      if (px < -20 || py < -20 || px > w + 20 || py > h + 20) continue;
      if (r < 2) { pen.rect(px - 1, py - 1, 2, 2); continue; }
      const a = (state.azimuth[i] * Math.PI) / 180, ux = Math.sin(a) * r, uy = -Math.cos(a) * r;
      pen.moveTo(px + 1.5 * ux, py + 1.5 * uy);
      pen.lineTo(px - ux - 0.95 * uy, py - uy + 0.95 * ux);
      pen.lineTo(px - 0.45 * ux, py - 0.45 * uy);
      pen.lineTo(px - ux + 0.95 * uy, py - uy - 0.95 * ux);
      pen.closePath();
    }
    pen.fillStyle = rgba(state.sides[s].rgb, 1);
    pen.fill();
  }
  pen.strokeStyle = colours.mark;
  pen.lineWidth = 1.25;
  for (const i of state.directed) ring(pen, i, 2.1 * r + 2);
  pen.strokeStyle = colours.faint;
  for (const g of state.hidden) {
    const [px, py] = toPx(g.x, g.z), k = Math.max(4, r);
    pen.beginPath(); pen.moveTo(px - k, py - k); pen.lineTo(px + k, py + k); pen.moveTo(px - k, py + k); pen.lineTo(px + k, py - k); pen.stroke();
  }
  const picked = chosen && chosen.kind === "soldier" ? number(chosen.name) : -1;
  if (picked >= 0) {
    pen.strokeStyle = colours.accent;
    pen.lineWidth = 3;
    ring(pen, picked, 2.1 * r + 5);
    const to = placeOf(picked), from = [state.x[picked], state.z[picked]];
    if (to[0] !== from[0] || to[1] !== from[1]) {
      pen.setLineDash([5, 4]); pen.lineWidth = 1.5;
      pen.beginPath(); pen.moveTo(...toPx(...from)); pen.lineTo(...toPx(...to)); pen.stroke();
      pen.setLineDash([]);
    }
  }
  if (hover >= 0 && hover !== picked) { pen.strokeStyle = colours.accent; pen.lineWidth = 1.5; ring(pen, hover, 2.1 * r + 3); }
}

function ring(pen, i, radius) {
  const [px, py] = toPx(...placeOf(i));
  pen.beginPath(); pen.arc(px, py, radius, 0, 7); pen.stroke();
}

function words(pen, w, h) {
  const taken = [];
  const write = (word, px, py, colour, align = "center") => {
    const wide = pen.measureText(word).width + 8, left = align === "center" ? px - wide / 2 : px;
    const box = [left, py - 9, left + wide, py + 9];
    if (taken.some((t) => box[0] < t[2] && t[0] < box[2] && box[1] < t[3] && t[1] < box[3])) return;
    taken.push(box);
    pen.globalAlpha = 0.72; pen.fillStyle = colours.paper;
    pen.beginPath(); pen.roundRect(box[0], box[1], wide, 18, 4); pen.fill();
    pen.globalAlpha = 1; pen.fillStyle = colour; pen.textAlign = "center"; pen.textBaseline = "middle";
    pen.fillText(word, left + wide / 2, py + 0.5);
  };
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  const bar = step(w * 0.1), wide = bar * eye.perM;
  pen.fillStyle = colours.paper; pen.globalAlpha = 0.8; pen.fillRect(w - wide - 26, h - 46, wide + 20, 30); pen.globalAlpha = 1;
  taken.push([w - wide - 26, h - 46, w, h]);
  pen.strokeStyle = colours.ink; pen.lineWidth = 2;
  pen.beginPath(); pen.moveTo(w - 16 - wide, h - 28); pen.lineTo(w - 16 - wide, h - 23); pen.lineTo(w - 16, h - 23); pen.lineTo(w - 16, h - 28); pen.stroke();
  pen.fillStyle = colours.ink; pen.textAlign = "center"; pen.textBaseline = "bottom";
  pen.fillText(`${bar >= 1 ? bar : +bar.toFixed(3)} m`, w - 16 - wide / 2, h - 27);
  pen.beginPath(); pen.moveTo(26, 14); pen.lineTo(33, 38); pen.lineTo(26, 33); pen.lineTo(19, 38); pen.fill();
  write("-Z, 0°", 30, 50, colours.ink);
  const r = markPx(), picked = chosen && chosen.kind === "soldier" ? number(chosen.name) : -1;
  const name = (i, colour) => { const [px, py] = toPx(...placeOf(i)); if (px > 0 && py > 0 && px < w && py < h) write(state.name[i], px, py - 2.1 * r - 16, colour); };
  if (picked >= 0) name(picked, colours.accent);
  for (const i of state.directed.slice(0, 80)) if (i !== picked) name(i, colours.mark);
  for (const q of state.regions) {
    const points = q.points.length ? shape(q) : q.rings[0] || [];
    if (!points.length) continue;
    const [px, py] = toPx(points.reduce((s, p) => s + p[0], 0) / points.length, points.reduce((s, p) => s + p[1], 0) / points.length);
    write(`${q.name}  ${q.count.toLocaleString("en")}`, px, py, colours.ink);
  }
  const [cx, cy] = toPx(...state.camera);
  write(`camera, frame ${frame}`, cx, cy + 22, colours.sight);
  if (eye.perM > 22) for (let i = 0; i < state.name.length && taken.length < 600; i++) {
    const [px, py] = toPx(...placeOf(i));
    if (px > 0 && py > 0 && px < w && py < h) write(state.name[i].split(".").pop(), px, py + 1.6 * r + 12, colours.faint);
  }
}

function drawView() {
  if (!picture) return;
  view.style.aspectRatio = `${picture.width} / ${picture.height}`;
  const pen = fresh(view);
  pen.drawImage(picture, 0, 0, view.clientWidth, view.clientHeight);
  const kx = view.clientWidth / state.plate[0], ky = view.clientHeight / state.plate[1];
  for (const r of state.regions) {
    pen.strokeStyle = rgba(sideRgb(r.side).map((c) => Math.min(255, c + 50)), 0.9);
    pen.lineWidth = chosen && chosen.kind === "region" && chosen.name === r.name ? 2.5 : 0.8;
    pen.beginPath();
    r.px.forEach((p, i) => { if (p && i && r.px[i - 1]) pen.lineTo(p[0] * kx, p[1] * ky); else if (p) pen.moveTo(p[0] * kx, p[1] * ky); });
    pen.stroke();
  }
  const marked = [chosen && chosen.kind === "soldier" ? number(chosen.name) : -1, hover].filter((i) => i >= 0 && state.px[i]);
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  for (const i of new Set(marked)) {  // a pin to his feet, with his name: legible on any plate
    const x = state.px[i][0] * kx, y = state.px[i][1] * ky, wide = pen.measureText(state.name[i]).width + 12;
    const left = Math.min(Math.max(x - wide / 2, 2), view.clientWidth - wide - 2), low = Math.min(y + 16, view.clientHeight - 22);
    pen.fillStyle = "#fff"; pen.strokeStyle = "#000"; pen.lineWidth = 1.5;
    pen.beginPath(); pen.moveTo(x, y); pen.lineTo(x - 5, y + 12); pen.lineTo(x + 5, y + 12); pen.closePath(); pen.stroke(); pen.fill();
    pen.fillStyle = "rgba(0,0,0,.75)"; pen.beginPath(); pen.roundRect(left, low, wide, 20, 4); pen.fill();
    pen.fillStyle = "#fff"; pen.textAlign = "center"; pen.textBaseline = "middle"; pen.fillText(state.name[i], left + wide / 2, low + 10.5);
  }
}

/* --- the inspector --- */

const make = (tag, props = {}, ...children) => { const e = Object.assign(document.createElement(tag), props); e.append(...children); return e; };

/** Entries of `overrides` that speak of this soldier, or of his region. */
function entriesOf(name) {
  const home = name.slice(0, name.lastIndexOf("."));
  return state.overrides.map((o, i) => [i, o]).filter(([, o]) => (o.soldier || []).includes(name) || o.region === home);
}

function ownKeys(name) {
  const own = state.overrides.filter((o) => o.soldier && o.soldier.length === 1 && o.soldier[0] === name);
  return Object.assign({}, ...own);
}

function inspect() {
  const box = $("inspector");
  if (!chosen) {
    const sides = state.sides.map((s, k) => make("p", { className: "empty" }, swatch(s.rgb), `${s.name}: ${state.side.filter((v) => v === k).length.toLocaleString("en")}`));
    box.replaceChildren(make("h2", { textContent: `${state.name.length.toLocaleString("en")} soldiers` }), ...sides,
      make("p", { className: "empty", textContent: "Click a soldier or a region, or press N." }));
    return;
  }
  if (chosen.kind === "region") return inspectRegion(box);
  const i = number(chosen.name), gone = state.hidden.find((g) => g.name === chosen.name);
  if (i < 0 && !gone) { chosen = null; return inspect(); }
  const own = ownKeys(chosen.name), name = chosen.name;
  const set = (changes, done) => edit({ do: "set", soldier: name, changes }, done);
  if (i < 0) {
    box.replaceChildren(make("h2", { textContent: name }), make("p", { className: "empty", textContent: "hidden by an override" }),
      make("div", { className: "row" }, make("button", { textContent: "Show him", onclick: () => set({ hide: false }, `${name} is back`) })));
    return;
  }
  const field = (label, key, control, read) => {
    control.classList.toggle("set", own[key] !== undefined);
    control.onchange = () => { const v = read(control); if (v !== undefined) set(typeof v === "object" && v !== null && !Array.isArray(v) ? v : { [key]: v }, `${name}: ${label}`); };
    return make("label", {}, label, control);
  };
  const numeric = (value, by, extra = {}) => make("input", { type: "number", step: by, value: value ?? "", ...extra });
  const choice = (values, now, first) => {
    const s = make("select", {}, ...(first ? [make("option", { value: "", textContent: first })] : []), ...values.map((v) => make("option", { value: v, textContent: v })));
    s.value = now ?? "";
    return s;
  };
  const value = (c) => (c.value === "" ? null : Number(c.value)), word = (c) => c.value || null;
  const tick = (label, key) => { const c = make("input", { type: "checkbox", checked: own[key] === true }); c.onchange = () => set({ [key]: c.checked || null }, `${name}: ${label}`); return make("label", { className: "tick" }, c, label); };
  const x = numeric(state.x[i], 0.1), z = numeric(state.z[i], 0.1), turn = numeric(state.azimuth[i], 5);
  const move = () => edit({ do: "move", soldier: name, frame, to_m: [Number(x.value), Number(z.value)] }, `${name} stands at ${x.value}, ${z.value}`);
  x.onchange = z.onchange = move;
  turn.onchange = () => edit({ do: "turn", soldier: name, frame, azimuth_deg: Number(turn.value) }, `${name} looks to ${turn.value}°`);
  for (const c of [x, z]) c.classList.toggle("set", own.place_m !== undefined || own.move_m !== undefined);
  turn.classList.toggle("set", own.heading_deg !== undefined || own.turn_deg !== undefined);
  const head = make("h2", {}, swatch(state.sides[state.side[i]].rgb), `${name}  `, make("span", { className: "empty", textContent: `${state.sides[state.side[i]].name}, ${state.kit[i]}` }));
  box.replaceChildren(head, make("div", { className: "fields" },
    make("label", {}, "x, metres", x), make("label", {}, "z, metres", z), make("label", {}, "looks to, degrees", turn),
    field("kit", "kit", choice(state.kits, own.kit, "as cast"), word),
    field("side", "side", choice(state.allSides, own.side, "his region's"), word),
    field("clip", "clip", choice(state.clips, own.clip, "his region's"), word),
    field("phase, 0 to 1", "phase", numeric(own.phase, 0.05, { min: 0, max: 0.99 }), value),
    field("later, seconds", "delay_s", numeric(own.delay_s, 0.1), value),
    field("speed", "speed", numeric(own.speed, 0.1, { min: 0.1, max: 10 }), value),
    field("killed at frame", "kill_at", numeric(own.kill_at, 1), value),
    tick("stays on the spot", "pin"), tick("hidden", "hide"),
  ), make("div", { className: "row" },
    make("button", { textContent: `Re-roll${own.reroll ? ` (${own.reroll})` : ""}`, title: "another man in his place", onclick: () => set({ reroll: (own.reroll || 0) + 1 }, `${name} was cast again`) }),
    ...entriesOf(name).filter(([, o]) => o.soldier && o.soldier.length === 1).slice(-1).map(([k]) =>
      make("button", { textContent: "As laid out", title: "take his override away", onclick: () => edit({ do: "remove", number: k }, `${name} is as laid out`) })),
  ));
}

function inspectRegion(box) {
  const r = region(chosen.name);
  if (!r) { chosen = null; return inspect(); }
  box.replaceChildren(make("h2", {}, swatch(sideRgb(r.side)), r.name), make("p", { className: "empty", textContent: `${r.count.toLocaleString("en")} soldiers of ${r.side}; drawn ${r.key === "polygon_px" ? "on the plate" : "on the ground"}. Drag it, or its corners.` }),
    make("div", { className: "fields" }, ...r.points.map(([x, z], i) => {
      const a = make("input", { type: "number", step: 0.5, value: x }), b = make("input", { type: "number", step: 0.5, value: z });
      a.setAttribute("aria-label", `corner ${i + 1}, x`); b.setAttribute("aria-label", `corner ${i + 1}, z`);
      a.onchange = b.onchange = () => reshape(r, r.points.map((p, k) => (k === i ? [Number(a.value), Number(b.value)] : p)));
      return make("label", {}, `corner ${i + 1}: x, z`, a, b);
    })));
}

const reshape = (r, points) => edit({ do: "shape", region: r.name, points_m: points }, `${r.name} was drawn anew`);

function swatch(rgb) {
  const s = make("span", { className: "swatch" });
  s.style.background = rgba(rgb, 1);
  return s;
}

function list() {
  const box = $("entries");
  const lines = state.overrides.map((o, i) => {
    const who = o.region || (o.soldier || []).join(", ") || `pixel ${o.pixel.at_px.join(", ")}`;
    const what = Object.entries(o).filter(([k]) => !["soldier", "region", "pixel"].includes(k)).map(([k, v]) => `${k} ${Array.isArray(v) ? `[${v.join(", ")}]` : v}`).join(", ");
    return make("li", {}, make("button", { className: "who", textContent: who, onclick: () => choose(o.region ? { kind: "region", name: o.region } : o.soldier ? { kind: "soldier", name: String(o.soldier[0]) } : null, true) }),
      make("span", { textContent: what }), make("button", { textContent: "×", title: "take it away", ariaLabel: `take away: ${who}, ${what}`, onclick: () => edit({ do: "remove", number: i }, `${who}: taken away`) }));
  });
  box.replaceChildren(make("h2", { textContent: lines.length ? `${lines.length} override${lines.length > 1 ? "s" : ""} in ${state.file}` : "no overrides" }), make("ol", {}, ...lines.slice(0, 300)));
}

function choose(what, centre = false) {
  chosen = what;
  if (what && what.kind === "soldier") {
    const i = number(what.name);
    if (i >= 0 && centre) {
      const [px, py] = toPx(state.x[i], state.z[i]), [w, h] = size();
      if (px < 20 || py < 20 || px > w - 20 || py > h - 20) { eye.x = state.x[i]; eye.z = state.z[i]; }
    }
    if (i >= 0) say(`${what.name}: ${state.sides[state.side[i]].name}, ${state.kit[i]}, at ${state.x[i].toFixed(2)}, ${state.z[i].toFixed(2)} m, looks to ${state.azimuth[i]}°`);
  } else say(what ? `region ${what.name}` : "");
  inspect();
  draw();
}

/* --- pointer --- */

const where = (event) => { const box = plan.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };

plan.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !state || busy) return;
  const at = where(event), corner = cornerAt(...at), i = corner < 0 ? soldierAt(...at) : -1, r = regionAt(...at);
  plan.setPointerCapture(event.pointerId);
  drag = { at, by: [0, 0], moved: false, kind: "paper", eye: { ...eye } };
  if (corner >= 0) Object.assign(drag, { kind: "corner", corner, name: chosen.name });
  else if (i >= 0) Object.assign(drag, { kind: "soldier", i, name: state.name[i] });
  else if (r && chosen && chosen.kind === "region" && chosen.name === r.name) Object.assign(drag, { kind: "region", name: r.name });
});

plan.addEventListener("pointermove", (event) => {
  if (!state) return;
  const at = where(event);
  if (!drag) return point(at);
  if (!drag.moved && Math.hypot(at[0] - drag.at[0], at[1] - drag.at[1]) < 4) return;
  if (!drag.moved && drag.kind === "soldier") choose({ kind: "soldier", name: drag.name });
  drag.moved = true;
  tip.hidden = true;
  drag.by = [(at[0] - drag.at[0]) / eye.perM, (at[1] - drag.at[1]) / eye.perM];
  if (drag.kind === "paper") { eye.x = drag.eye.x - drag.by[0]; eye.z = drag.eye.z - drag.by[1]; plan.style.cursor = "grabbing"; }
  else say(`${drag.name}: ${Math.hypot(...drag.by).toFixed(2)} m`);
  draw();
});

function release(event) {
  const done = drag;
  drag = null;
  plan.style.cursor = "";
  if (!done || event.type === "pointercancel") return draw();
  if (!done.moved) {
    const r = regionAt(...done.at);
    if (done.kind === "soldier") choose({ kind: "soldier", name: done.name });
    else if (done.kind !== "corner") choose(r ? { kind: "region", name: r.name } : null);
    return;
  }
  const [dx, dz] = done.by;
  if (done.kind === "soldier") {
    const to = [state.x[done.i] + dx, state.z[done.i] + dz];
    state.x[done.i] = to[0]; state.z[done.i] = to[1];  // he stays there until the answer comes
    edit({ do: "move", soldier: done.name, frame, to_m: to }, `${done.name} moved ${Math.hypot(dx, dz).toFixed(2)} m`).then(() => { if ($("status").classList.contains("bad")) load0(); });
  } else if (done.kind === "region" || done.kind === "corner") {
    const r = region(done.name);
    reshape(r, r.points.map(([x, z], i) => (done.kind === "region" || i === done.corner ? [x + dx, z + dz] : [x, z])));
  }
  draw();
}
plan.addEventListener("pointerup", release);
plan.addEventListener("pointercancel", release);

/** After a refused edit: what the server has, without losing what it said. */
async function load0() {
  const text = $("status").textContent;
  await load();
  say(text, true);
}

function point(at) {
  const was = hover;
  hover = soldierAt(...at);
  const r = hover < 0 ? regionAt(...at) : null;
  plan.style.cursor = cornerAt(...at) >= 0 || hover >= 0 ? "move" : r && chosen && chosen.name === r.name ? "move" : "";
  tip.hidden = hover < 0;
  if (hover >= 0) {
    tip.textContent = `${state.name[hover]}  ${state.kit[hover]}`;
    tip.style.left = `${Math.min(at[0] + 14, plan.clientWidth - 180)}px`;
    tip.style.top = `${at[1] + 14}px`;
  }
  if (was !== hover) draw();
}
plan.addEventListener("pointerleave", () => { tip.hidden = true; hover = -1; draw(); });
plan.addEventListener("wheel", (event) => { event.preventDefault(); if (state) zoom(Math.exp(-event.deltaY * 0.0015), ...where(event)); }, { passive: false });

let asking = false;
async function whoAt(event) {
  const box = view.getBoundingClientRect(), [w, h] = state.plate;
  const x = ((event.clientX - box.left) / box.width) * w, y = ((event.clientY - box.top) / box.height) * h;
  return (await (await ask(`/api/who?frame=${frame}&x=${x.toFixed(2)}&y=${y.toFixed(2)}`)).json()).name;
}
view.addEventListener("pointermove", async (event) => {
  if (asking || !state || !picture) return;
  asking = true;
  try {
    const name = await whoAt(event);
    $("viewname").textContent = name || "through the camera";
    const i = name ? number(name) : -1;
    if (i !== hover) { hover = i; draw(); }
  } catch (error) { /* the next move asks again */ } finally { asking = false; }
});
view.addEventListener("click", async (event) => {
  try { const name = await whoAt(event); if (name) choose({ kind: "soldier", name }, true); } catch (error) { say(error.message, true); }
});

/* --- keys and buttons --- */

function next(by) {
  const count = state.name.length, i = chosen && chosen.kind === "soldier" ? number(chosen.name) : by > 0 ? -1 : 0;
  if (count) choose({ kind: "soldier", name: state.name[(i + by + count) % count] }, true);
}

function push(dx, dz) {
  const i = number(chosen.name);
  if (i < 0) return;
  if (!nudge || nudge.name !== chosen.name) nudge = { name: chosen.name, x: state.x[i], z: state.z[i] };
  nudge.x += dx; nudge.z += dz;
  clearTimeout(nudge.timer);
  nudge.timer = setTimeout(() => {
    const done = nudge;
    nudge = null;
    edit({ do: "move", soldier: done.name, frame, to_m: [done.x, done.z] }, `${done.name} stands at ${done.x.toFixed(2)}, ${done.z.toFixed(2)}`);
  }, 600);
  say(`${nudge.name}: ${nudge.x.toFixed(2)}, ${nudge.z.toFixed(2)} m`);
  draw();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function key(event) {
  const typing = /INPUT|SELECT/.test(event.target.tagName), command = event.ctrlKey || event.metaKey;
  if (command && event.key.toLowerCase() === "z" && !typing) { event.preventDefault(); $(event.shiftKey ? "redo" : "undo").click(); return; }
  if (typing || command || event.altKey || !state) return;
  const him = chosen && chosen.kind === "soldier" && number(chosen.name) >= 0, arrow = ARROWS[event.key];
  if (arrow && document.activeElement === plan) {
    event.preventDefault();
    if (him) push(...arrow.map((a) => a * (event.shiftKey ? 1 : 0.1)));
    else { eye.x += (arrow[0] * 60) / eye.perM; eye.z += (arrow[1] * 60) / eye.perM; draw(); }
    return;
  }
  const act = {
    n: () => next(1), p: () => next(-1), 0: () => { fit(); draw(); }, "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8),
    ",": () => to(frame - 1), ".": () => to(frame + 1), "/": () => $("find").focus(), escape: () => choose(null), "?": () => $("keys").click(),
    h: () => him && edit({ do: "set", soldier: chosen.name, changes: { hide: true } }, `${chosen.name} is hidden`),
    r: () => him && edit({ do: "turn", soldier: chosen.name, frame, azimuth_deg: state.azimuth[number(chosen.name)] + (event.shiftKey ? -15 : 15) }, `${chosen.name} turned`),
  }[event.key.toLowerCase()];
  if (act && !busy) { event.preventDefault(); act(); }
}
addEventListener("keydown", key);

function to(wanted) {
  if (!state || !Number.isInteger(wanted)) return;
  frame = Math.min(state.frames[1], Math.max(state.frames[0], wanted));
  load();
}
$("earlier").onclick = () => to(frame - 1);
$("later").onclick = () => to(frame + 1);
$("frame").onchange = (event) => to(Number(event.target.value));
$("undo").onclick = () => edit({ do: "undo" }, "undone");
$("redo").onclick = () => edit({ do: "redo" }, "done again");
$("closer").onclick = () => zoom(1.25);
$("further").onclick = () => zoom(0.8);
$("fit").onclick = () => { fit(); draw(); };
$("keys").onclick = () => { const h = $("help"); h.hidden = !h.hidden; $("keys").setAttribute("aria-expanded", String(!h.hidden)); };
$("find").onchange = (event) => {
  const name = event.target.value.trim();
  if (number(name) >= 0 || state.hidden.some((g) => g.name === name)) { choose({ kind: "soldier", name }, true); plan.focus(); }
  else if (region(name)) choose({ kind: "region", name });
  else if (name) say(`nobody is called ${name}`, true);
};

function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = name === "light" ? "Dark" : "Light";
  readColours();
  draw();
}
$("theme").onclick = () => theme(document.documentElement.dataset.theme === "light" ? "dark" : "light");
new ResizeObserver(() => draw()).observe(plan);
theme(matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark");
load();
