/* What the server knows, and pictures from it, kept within a budget. */

import { ask } from "./ask.js";

const query = (path, asked) => `${path}?${new URLSearchParams(asked)}`;
export const getState = async () => (await ask("/api/state")).json();
export const getDecisions = async () => (await ask("/api/decisions")).json();
export const getWho = async (item, frame, x, y) => (await ask(query("/api/who", { item, frame, x, y }))).json();

export async function decide(decision) {
  const headers = { "Content-Type": "application/json" };
  return (await ask("/api/decide", { method: "POST", headers, body: JSON.stringify(decision) })).json();
}

export async function thumb(item, frame) {
  const blob = await (await ask(query("/api/proxy", { item, frame, thumb: true }))).blob();
  return URL.createObjectURL(blob);
}

/* Pictures by what, item and frame. `make` turns what came into what is drawn; `drop` lets go of it. */
export class Pictures {
  constructor(glass, changed) {
    Object.assign(this, { glass, changed, kept: new Map(), asked: new Map(), waiting: [], running: 0, bytes: 0 });
    this.budget = 512 * 1024 * 1024;
  }

  /* What is there, or null; it is asked for then, before or (ahead) after what else waits. */
  get(kind, item, frame, name = "", ahead = false) {
    const key = `${kind} ${name} ${item} ${frame}`;
    const found = this.kept.get(key);
    if (found) {
      this.kept.delete(key);
      this.kept.set(key, found);
      return found.failed ? null : found;
    }
    if (!this.asked.has(key)) {
      const job = { key, kind, item, frame, name };
      this.asked.set(key, job);
      if (ahead) this.waiting.push(job); else this.waiting.unshift(job);
      this.next();
    }
    return null;
  }

  failure(kind, item, frame, name = "") { return this.kept.get(`${kind} ${name} ${item} ${frame}`)?.failed || null; }

  forgetWaiting() {
    for (const job of this.waiting) this.asked.delete(job.key);
    this.waiting = [];
  }

  forget() {
    this.forgetWaiting();
    for (const entry of this.kept.values()) this.glass.drop(entry);
    this.kept.clear();
    this.bytes = 0;
  }

  next() {
    while (this.running < 4 && this.waiting.length) {
      const job = this.waiting.shift();
      this.running += 1;
      this.load(job).catch((error) => ({ failed: error.message, bytes: 0 })).then((made) => {
        this.running -= 1;
        this.asked.delete(job.key);
        this.keep(job.key, made);
        this.changed();
        this.next();
      });
    }
  }

  async load({ kind, item, frame, name }) {
    if (kind === "proxy") return this.glass.fromBlob(await (await ask(query("/api/proxy", { item, frame }))).blob());
    if (kind === "overlay") return this.glass.fromBlob(await (await ask(query("/api/overlay", { item, frame, name }))).blob());
    if (kind === "table") return this.glass.fromTable(await (await ask(query("/api/table", { item, frame }))).arrayBuffer());
    const response = await ask(query("/api/half", { item, frame }));
    const [width, height] = response.headers.get("X-Muster-Size").split(" ").map(Number);
    return this.glass.fromHalf(await response.arrayBuffer(), width, height);
  }

  keep(key, made) {
    this.kept.set(key, made);
    this.bytes += made.bytes;
    for (const [old, entry] of this.kept) {
      if (this.bytes <= this.budget || old === key) break;
      this.kept.delete(old);
      this.bytes -= entry.bytes;
      this.glass.drop(entry);
    }
  }
}
