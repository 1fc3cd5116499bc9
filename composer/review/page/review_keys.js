/* Keys, and the page that lists them. */

const $ = (id) => document.getElementById(id);

export function bindKeys(app) {

  const keys = [
    ["space", "play or stop", [" "], () => app.clock.toggle()],
    [", .", "one frame back, on", [","], () => app.clock.step(-1), ["."], () => app.clock.step(1)],
    ["Home End", "first, last frame", ["Home"], () => app.setFrame(app.state.frames[0]), ["End"], () => app.setFrame(app.state.frames.at(-1))],
    ["1 … 9", "show this one; with Shift compare with it"],
    ["T", "the other one at the same frame", ["t"], app.swap],
    ["O W P L", "one, wipe, pair, all", ["o"], () => app.setMode("one"), ["w"], () => app.setMode("wipe"), ["p"], () => app.setMode("pair"), ["l"], () => app.setMode("all")],
    ["← →", "move the wipe, with Shift quickly (when it has the focus: Tab)"],
    ["+ − 0", "zoom in, out, fit", ["+", "="], () => app.hand.zoomMiddle(1.25), ["-"], () => app.hand.zoomMiddle(0.8), ["0"], () => app.hand.fit()],
    ["arrows", "pan (when the picture has the focus)"],
    ["wheel, pinch", "zoom; drag to pan; double click for four times or fit"],
    ["[ ]", "exposure a quarter stop down, up", ["["], () => app.setStops(app.stops - 0.25), ["]"], () => app.setStops(app.stops + 0.25)],
    ["\\", "exposure back to 0", ["\\"], () => app.setStops(0)],
    ["M", "crowd matte on, off", ["m"], () => app.setPass(app.pass ? "" : app.lastPass || "crowd")],
    ["D", "draw on the picture", ["d"], () => app.hand.setPen(!app.hand.pen)],
    ["N", "write a note", ["n"], () => $("text").focus()],
    ["Shift+A Shift+R", "approve, reject the one in focus", ["A"], () => app.notes.send("approve"), ["R"], () => app.notes.send("reject")],
    ["click", "a soldier: copies an override for shot.yaml"],
    ["Esc", "put the pen down, close", ["Escape"], () => { app.hand.setPen(false); app.hand.close(); $("glass").focus(); }],
    ["?", "these keys", ["?"], () => $("keys").showModal()],
  ];
  const bound = new Map();
  for (const [, , ...pairs] of keys) for (let i = 0; i < pairs.length; i += 2) for (const key of pairs[i]) bound.set(key, pairs[i + 1]);
  $("keyList").replaceChildren(...keys.flatMap(([key, what]) => [
    Object.assign(document.createElement("dt"), { textContent: key }), Object.assign(document.createElement("dd"), { textContent: what }),
  ]));
  $("help").onclick = () => $("keys").showModal();

  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
    const typing = e.target.matches("input:not([type=range]), textarea, select");
    if (typing) { if (e.key === "Escape") e.target.blur(); return; }
    if (e.key === " " && e.target.matches("button")) return;  // a button's own key
    if (e.target.matches("input[type=range]") && /^(Arrow|Home|End|Page)/.test(e.key)) return;
    const digit = /^Digit([1-9])$/.exec(e.code), item = digit && [...app.items.keys()][digit[1] - 1];
    if (item) { if (e.shiftKey) app.setB(item); else app.setA(item); e.preventDefault(); return; }
    const pan = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] }[e.key];
    if (pan && e.target.id === "glass") { app.hand.pan(...pan); e.preventDefault(); return; }
    const deed = bound.get(e.key);
    if (deed) { e.preventDefault(); deed(); }
  });

}
