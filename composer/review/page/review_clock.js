/* Frames: scrubbing, stepping, and playback of the proxies in step: the next frame comes when all that are seen have it. */

const $ = (id) => document.getElementById(id);
const AHEAD = 6;

export class Clock {
  constructor(app) {
    Object.assign(this, { app, playing: false, due: 0 });
    $("play").onclick = () => this.toggle();
    $("back").onclick = () => this.step(-1);
    $("on").onclick = () => this.step(1);
    $("scrub").oninput = () => { this.stop(); app.setFrame(app.state.frames[Number($("scrub").value)]); };
  }

  toggle() { if (this.playing) this.stop(); else this.play(); }

  play() {
    if (this.app.state.frames.length < 2) { this.app.say("there is one frame only"); return; }
    this.playing = true;
    this.show();
    this.due = performance.now() + this.holds(this.app.frame);
    requestAnimationFrame((now) => this.tick(now));
  }

  stop() {
    if (!this.playing) return;
    this.playing = false;
    this.app.pictures.forgetWaiting();
    this.show();
    this.app.setFrame(this.app.frame);
  }

  show() {
    $("play").textContent = this.playing ? "❚❚" : "▶";
    $("play").setAttribute("aria-label", this.playing ? "stop" : "play");
  }

  step(by) {
    this.stop();
    const { frames } = this.app.state, at = frames.indexOf(this.app.frame) + by;
    this.app.setFrame(frames[(at + frames.length) % frames.length]);
  }

  next(frame, by = 1) {
    const { frames } = this.app.state;
    return frames[(frames.indexOf(frame) + by) % frames.length];
  }

  /* Milliseconds a frame stands: where frames were left out, as long as those would have taken. */
  holds(frame) {
    const next = this.next(frame), apart = next > frame ? next - frame : 1;
    return (1000 * apart) / this.app.state.frameRate;
  }

  ready(frame, ahead) {
    const { app } = this, kind = app.kind(), seen = app.visible().filter((item) => app.has(item, frame));
    return seen.map((item) => app.pictures.get(kind, item, frame, "", ahead) || app.pictures.failure(kind, item, frame)).every(Boolean);
  }

  tick(now) {
    if (!this.playing) return;
    const next = this.next(this.app.frame);
    if (now >= this.due && this.ready(next, false)) {
      this.due = Math.max(this.due + this.holds(next), now);
      this.app.setFrame(next);
    }
    for (let i = 1; i <= Math.min(AHEAD, this.app.state.frames.length - 1); i += 1) this.ready(this.next(this.app.frame, i), true);
    requestAnimationFrame((later) => this.tick(later));
  }
}
