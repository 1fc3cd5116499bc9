/* The director's table: what is seen where. The server's answers are the only truth; nothing is asked of any other host. */

import { getDecisions, getState, Pictures, thumb } from "./review_store.js";
import { makeGlass, placed } from "./review_glass.js";
import { Clock } from "./review_clock.js";
import { Hand } from "./review_hand.js";
import { Notes } from "./review_notes.js";
import { bindKeys } from "./review_keys.js";

const $ = (id) => document.getElementById(id);
const GAP = 4, SETTLED_MS = 160, POLL_MS = 4000;

const app = {
  state: null, items: new Map(), decided: { lines: [], states: {}, wrong: [] },
  mode: "one", a: null, b: null, focus: null, frame: null, wipe: 0.5, stops: 0, pass: "", opacity: 0.7, settled: true,
  view: { zoom: 1, x: 0.5, y: 0.5 },
};
let queued = false, settling = 0;

app.say = (text, bad = false) => {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
  clearTimeout(app.fading);
  app.fading = setTimeout(() => $("status").classList.add("old"), bad ? 15000 : 5000);
};
app.draw = () => {
  if (queued) return;
  queued = true;
  requestAnimationFrame(() => { queued = false; paint(); });
};

/* --- what is where --- */

app.visible = () => {
  if (app.mode === "all") return [...app.items.keys()];
  return app.mode === "one" ? [app.a] : [app.a, app.b];
};

app.panes = () => {
  const w = $("stage").clientWidth, h = $("stage").clientHeight, whole = { x: 0, y: 0, w, h };
  if (app.mode === "one") return [{ item: app.a, pane: whole, clip: whole }];
  if (app.mode === "wipe") {
    const edge = Math.round(w * app.wipe);
    return [
      { item: app.a, pane: whole, clip: { ...whole, w: edge } },
      { item: app.b, pane: whole, clip: { x: edge, y: 0, w: w - edge, h } },
    ];
  }
  const shown = app.visible(), columns = bestColumns(shown.length, w, h), rows = Math.ceil(shown.length / columns);
  const across = (w - GAP * (columns - 1)) / columns, down = (h - GAP * (rows - 1)) / rows;
  return shown.map((item, i) => {
    const pane = { x: (i % columns) * (across + GAP), y: Math.floor(i / columns) * (down + GAP), w: across, h: down };
    return { item, pane, clip: pane };
  });
};

function bestColumns(count, w, h) {
  let best = 1, most = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const across = w / columns, down = h / Math.ceil(count / columns), tall = Math.min(down, across / app.aspect());
    if (tall > most) [best, most] = [columns, tall];
  }
  return best;
}

app.aspect = () => app.seenAspect || 16 / 9;
app.at = (x, y) => {  // which pane is there, and the place of its picture (0..1)
  const found = app.panes().find(({ clip: c }) => x >= c.x && x < c.x + c.w && y >= c.y && y < c.y + c.h);
  if (!found) return null;
  const box = app.boxOf(found);
  return { ...found, u: (x - box.x) / box.w, v: (y - box.y) / box.h };
};
app.boxOf = ({ item, pane }) => placed(pane, picture(item)?.width / picture(item)?.height || app.aspect(), app.view);

/* --- pictures --- */

app.has = (item, frame) => app.items.get(item).frames.includes(frame);
app.exact = () => app.glass.exposes && (app.stops !== 0 || (app.settled && !app.clock.playing));
app.kind = () => (app.glass.exposes && app.stops !== 0 ? "half" : "proxy");

function picture(item) {
  if (!app.has(item, app.frame)) return null;
  const proxy = app.pictures.get("proxy", item, app.frame);
  if (!app.exact()) return proxy;
  const half = app.pictures.get("half", item, app.frame);
  return half && table(item) ? half : proxy;
}
const table = (item) => app.pictures.get("table", item, app.items.get(item).frames[0]);

function paint() {
  const style = getComputedStyle(document.documentElement), room = style.getPropertyValue("--room").trim();
  const look = { view: app.view, stops: app.stops, opacity: app.opacity, room: [1, 3, 5].map((i) => parseInt(room.slice(i, i + 2), 16) / 255) };
  const panes = app.panes();
  const layers = panes.map(({ item, pane, clip }) => {
    const shown = picture(item);
    if (shown) app.seenAspect = shown.width / shown.height;
    const lays = app.pass && app.has(item, app.frame) && app.items.get(item).passes.includes(app.pass);
    const overlay = lays ? app.pictures.get("overlay", item, app.frame, app.pass) : null;
    return { pane, clip, picture: shown, table: shown?.scene ? table(item) : null, overlay };
  });
  app.glass.draw(layers, look);
  $("glass").dataset.drawn = layers.map((l) => (l.picture ? (l.picture.scene ? "half" : "proxy") : "none")).join(" ");
  label(panes);
  app.notes.drawInk();
}

function label(panes) {
  $("labels").replaceChildren(...panes.map(({ item, pane, clip }, i) => {
    const made = document.createElement("span"), stands = app.decided.states[item]?.do;
    const box = app.boxOf({ item, pane }), right = app.mode === "wipe" && i === 1;
    const failed = app.pictures.failure("proxy", item, app.frame);
    made.textContent = app.items.get(item).title;
    if (!app.has(item, app.frame)) made.append(`: no frame ${app.frame}`);
    if (failed) made.append(`: ${failed}`);
    if (stands) made.append(Object.assign(document.createElement("i"), { className: stands, textContent: stands === "approve" ? "  approved" : "  rejected" }));
    made.classList.toggle("focus", panes.length > 1 && item === app.focus);
    made.style.top = `${Math.max(clip.y, box.y) + 8}px`;
    if (right) made.style.right = `${Math.max(0, $("stage").clientWidth - Math.min(clip.x + clip.w, box.x + box.w)) + 8}px`;
    else made.style.left = `${Math.max(clip.x, box.x) + 8}px`;
    return made;
  }));
  const wipe = $("wipe"), box = app.boxOf(panes[0]);
  wipe.hidden = app.mode !== "wipe";
  wipe.style.left = `${app.wipe * 100}%`;
  wipe.style.top = `${Math.max(0, box.y)}px`;
  wipe.style.height = `${Math.min($("stage").clientHeight, box.y + box.h) - Math.max(0, box.y)}px`;
  wipe.setAttribute("aria-valuenow", Math.round(app.wipe * 100));
  wipe.setAttribute("aria-valuetext", `${app.items.get(app.a).title} left of ${Math.round(app.wipe * 100)} percent, ${app.items.get(app.b).title} right`);
}

/* --- what the director does --- */

app.setMode = (mode) => {
  if (app.items.size < 2 && mode !== "one") { app.say("there is nothing to compare with"); return; }
  app.mode = mode;
  for (const button of document.querySelectorAll("[data-mode]")) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
  app.update();
};
app.setA = (item) => { if (item === app.b) app.b = app.a; app.a = item; app.setFocus(item); };
app.setB = (item) => { if (item === app.a) app.a = app.b; app.b = item; if (app.mode === "one") app.setMode("wipe"); app.update(); };
app.setFocus = (item) => { app.focus = item; app.update(); };
app.swap = () => { if (app.items.size > 1) { [app.a, app.b] = [app.b, app.a]; app.setFocus(app.a); app.say(`${app.items.get(app.a).title}, frame ${app.frame}`); } };
app.setFrame = (frame) => {
  app.frame = frame;
  app.settled = false;
  clearTimeout(settling);
  settling = setTimeout(() => { app.settled = true; app.draw(); }, SETTLED_MS);
  $("scrub").value = app.state.frames.indexOf(frame);
  $("scrub").setAttribute("aria-valuetext", `frame ${frame}`);
  $("frame").textContent = frame;
  app.notes.frameChanged();
  app.draw();
};
app.setView = (view) => {
  const zoom = Math.min(40, Math.max(0.2, view.zoom));
  app.view = { zoom, x: Math.min(1.2, Math.max(-0.2, view.x)), y: Math.min(1.2, Math.max(-0.2, view.y)) };
  $("seen").textContent = `zoom ${Math.round(zoom * 100)} percent`;
  app.draw();
};
app.setStops = (stops) => {
  if (!app.glass.exposes) { app.say("this browser has no WebGL 2: no exposure", true); stops = 0; }
  app.stops = Math.min(6, Math.max(-6, stops));
  $("ev").value = app.stops;
  $("ev").setAttribute("aria-valuetext", `${app.stops} stops`);
  $("evZero").textContent = `${app.stops > 0 ? "+" : ""}${app.stops} EV`;
  app.draw();
};
app.setPass = (name) => {
  app.pass = name;
  if (name) app.lastPass = name;
  $("pass").value = name;
  $("opacity").hidden = !name;
  app.draw();
};
app.setTheme = (theme) => {
  document.documentElement.dataset.theme = theme;
  $("theme").textContent = theme === "dark" ? "Light" : "Dark";
  localStorage.setItem("muster.theme", theme);
  app.draw();
};

app.update = () => {
  $("nameA").textContent = app.items.get(app.a).title;
  $("nameB").textContent = app.items.get(app.b).title;
  $("swap").hidden = app.items.size < 2 || app.mode === "all";
  for (const card of document.querySelectorAll(".card")) {
    const { item } = card.dataset, stands = app.decided.states[item];
    card.classList.toggle("a", item === app.a);
    card.classList.toggle("b", item === app.b && app.items.size > 1);
    card.querySelector(".pick").setAttribute("aria-pressed", String(item === app.a));
    card.querySelector(".other").setAttribute("aria-pressed", String(item === app.b));
    const mark = card.querySelector(".mark");
    mark.className = `mark ${stands?.do || ""}`;
    mark.textContent = stands ? (stands.do === "approve" ? "✓ approved" : "✗ rejected") : "";
  }
  app.notes.update();
  app.draw();
};

/* --- the strip --- */

function strip() {
  $("strip").replaceChildren(...[...app.items.values()].map((item, i) => {
    const card = document.createElement("div"), pick = document.createElement("button"), other = document.createElement("button");
    const words = document.createElement("span"), picture = Object.assign(document.createElement("img"), { alt: "" });
    const final = item.price.find((p) => p.quality === "final") || item.price[0];
    const lines = [final ? `${final.quality} ${final.time}` : item.lines[0], final ? `${final.money} ${final.error}` : item.lines[2] || ""];
    words.append(Object.assign(document.createElement("b"), { textContent: item.title }), Object.assign(document.createElement("span"), { className: "mark" }));
    for (const line of lines.filter(Boolean)) words.append(Object.assign(document.createElement("small"), { textContent: line }));
    Object.assign(card, { className: "card" }).dataset.item = item.name;
    Object.assign(pick, { className: "pick", title: `show (${i + 1})` }).append(picture, words);
    Object.assign(other, { className: "other", textContent: "B", title: `compare with it (Shift+${i + 1})`, hidden: app.items.size < 2 });
    other.setAttribute("aria-label", `compare with ${item.title}`);
    pick.onclick = () => app.setA(item.name);
    other.onclick = () => app.setB(item.name);
    card.append(pick, other);
    thumb(item.name, item.frames[Math.floor(item.frames.length / 2)]).then((url) => { picture.src = url; }, () => {});
    return card;
  }));
}

function take(state) {
  const before = JSON.stringify(app.state?.items);
  app.state = state;
  if (JSON.stringify(state.items) === before) return false;
  app.pictures.forget();  // some may have been made anew
  app.items = new Map(state.items.map((item) => [item.name, item]));
  document.title = `${state.shot}: review`;
  $("title").textContent = state.shot;
  $("strip").setAttribute("aria-label", state.kind === "option" ? "options" : "versions");
  $("scrub").max = state.frames.length - 1;
  const passes = [...new Set(state.items.flatMap((item) => item.passes))], called = { crowd: "crowd matte", shadow: "shadow matte" };
  $("pass").replaceChildren(new Option("none", ""), ...passes.map((p) => new Option(called[p] || p.replace(/00$/, "").replaceAll("_", " "), p)));
  const names = [...app.items.keys()];
  if (!app.items.has(app.a)) app.a = names.at(-1);
  if (!app.items.has(app.b)) app.b = names.filter((n) => n !== app.a).at(-1) || app.a;
  if (!app.items.has(app.focus)) app.focus = app.a;
  if (!state.frames.includes(app.frame)) app.frame = state.frames[Math.floor(state.frames.length / 2)];
  strip();
  return true;
}

app.hear = (decided, byMe = false) => {
  const known = app.decided.lines.length, changed = JSON.stringify(decided) !== JSON.stringify(app.decided);
  app.decided = decided;
  if (!changed) return;
  if (!byMe && known && decided.lines.length > known) {
    const last = decided.lines.at(-1);
    app.say(`${last.who}: ${last.do} ${app.items.get(last.item)?.title || last.item}`);
  }
  app.update();
};

async function poll() {
  if (document.hidden) return;
  try {
    if (take(await getState())) app.update();
    app.hear(await getDecisions());
  } catch (error) { app.say(`the server does not answer: ${error.message}`, true); }
}

async function begin() {
  const usual = matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = localStorage.getItem("muster.theme") || usual;
  const state = await getState();
  app.glass = makeGlass($("glass"), state.grid);
  app.pictures = new Pictures(app.glass, app.draw);
  app.clock = new Clock(app);
  app.notes = new Notes(app);
  take(state);
  app.hand = new Hand(app);
  bindKeys(app);
  for (const button of document.querySelectorAll("[data-mode]")) button.onclick = () => app.setMode(button.dataset.mode);
  $("swap").onclick = app.swap;
  $("theme").onclick = () => app.setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
  $("pass").onchange = () => app.setPass($("pass").value);
  $("opacity").oninput = () => { app.opacity = Number($("opacity").value); app.draw(); };
  $("ev").oninput = () => app.setStops(Number($("ev").value));
  $("evZero").onclick = () => app.setStops(0);
  $("ev").disabled = !app.glass.exposes;
  new ResizeObserver(app.draw).observe($("stage"));
  app.setTheme(document.documentElement.dataset.theme);
  app.decided = await getDecisions();
  app.setFrame(app.frame);
  app.setMode("one");
  app.say(app.glass.exposes ? `${app.items.size} ${state.kind}s; ? shows the keys` : "this browser has no WebGL 2: pictures are shown without exposure");
  setInterval(poll, POLL_MS);
}

begin().catch((error) => app.say(error.message, true));
