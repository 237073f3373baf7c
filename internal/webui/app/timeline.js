// A conversation: a window of messages out of any number, read in leaves.

import { call } from "./api.js";
import { announce, append, dayKey, dayOf, fillWith, h, iconButton } from "./dom.js";
import { moved } from "./media.js";
import { row } from "./message.js";
import { say } from "./strings.js";

const leaf = 40; // messages read at once
const most = 240; // kept in the page
const group = 5 * 60_000; // a person's messages within it belong together

/** @param {any} a @param {any} b */
const sameDay = (a, b) => !!a && dayKey(Number(a.atMs)) === dayKey(Number(b.atMs));

/** @param {any} m */
const dayMark = (m) => h("li", { class: "day" }, h("span", null, dayOf(Number(m.atMs), say)));

/** Whether a message begins a group of one person's. @param {any} m @param {any} before */
const begins = (m, before) => !before || !!before.notice || before.mine !== m.mine || Number(m.atMs) - Number(before.atMs) > group;

export class Timeline {
  /** @param {any} contact @param {any} on */
  constructor(contact, on) {
    this.contact = contact;
    this.on = { ...on, jump: (/** @type {string} */ id) => this.jump(id), view: (/** @type {any} */ m, /** @type {number} */ i) => on.view(this.messages, m, i) };
    /** @type {any[]} */ this.messages = [];
    this.earlier = this.later = false;
    this.busy = false;
    this.reading = 0; // answers that are on their way
    /** What happened while they are, to be done to them again. @type {{seq: number, again: () => void}[]} */ this.meanwhile = [];
    this.list = h("ol", { class: "messages", "aria-label": contact.name });
    this.box = h("div", { class: "timeline", tabIndex: 0, role: "log", "aria-live": "off", onscroll: () => this.scrolled(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e) }, this.list);
    this.down = iconButton("down", say.jumpNew, () => this.newest(), { class: "icon-button jump", hidden: true });
    this.element = h("div", { class: "timeline-frame" }, this.box, this.down);
    // Pictures grow when they are there; whoever looks at the end goes on to.
    this.sticks = true;
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.list);
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.box);
  }

  /**
   * Reads messages. An answer is of when it was made: what is heard between then and
   * now is done to it again.
   * @param {object} what @param {(r: any) => void} show
   */
  async read(what, show) {
    this.reading++;
    let as = 0;
    try {
      const r = await call("Log", { contact: this.contact.account, ...what });
      as = Number(r.seq || 0);
      show(r);
    } finally {
      const happened = this.meanwhile;
      if (--this.reading === 0) this.meanwhile = [];
      happened.forEach((x) => x.seq > as && x.again());
    }
  }

  /** Shows the newest messages, or those around one. @param {string} [around] */
  open(around) {
    return this.read({ limit: leaf, ...(around ? { around } : {}) }, (r) => {
      this.messages = r.messages || [];
      this.earlier = !!r.earlier;
      this.later = !!r.later;
      this.sticks = !around;
      this.draw();
      if (around) this.reveal(around);
      else this.toEnd();
    });
  }

  newest() {
    return this.later ? this.open() : this.toEnd();
  }

  toEnd() {
    this.sticks = true;
    this.box.scrollTop = this.box.scrollHeight;
    this.down.hidden = true;
  }

  atEnd() {
    return !this.later && this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 80;
  }

  /** @param {string} id */
  async jump(id) {
    if (!this.rowOf(id)) await this.open(id);
    else this.reveal(id);
  }

  /** @param {string} id */
  reveal(id) {
    const r = /** @type {HTMLElement|null} */ (this.rowOf(id));
    if (!r) return;
    this.sticks = false;
    r.scrollIntoView({ block: "center" });
    r.classList.add("found");
    r.focus({ preventScroll: true });
    setTimeout(() => r.classList.remove("found"), 1600);
  }

  /** @param {string} id */
  rowOf(id) {
    return this.list.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  draw() {
    fillWith(this.list, ...this.rows(this.messages, null));
  }

  /** The rows of some messages, with day marks. @param {any[]} some @param {any} before the one before them */
  rows(some, before) {
    const out = [];
    for (const m of some) {
      if (!sameDay(before, m)) out.push(dayMark(m));
      out.push(row(m, begins(m, before), this.on));
      before = m;
    }
    return out;
  }

  async scrolled() {
    this.sticks = this.atEnd();
    this.down.hidden = this.sticks;
    if (this.busy) return;
    const near = this.box.clientHeight;
    if (this.earlier && this.box.scrollTop < near) await this.more("before", this.messages[0]);
    else if (this.later && this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < near) await this.more("after", this.messages.at(-1));
    else if (this.atEnd()) this.on.seen();
  }

  /** Reads a leaf on one side, and lets go of what is far on the other. @param {"before"|"after"} side @param {any} mark */
  async more(side, mark) {
    this.busy = true;
    try {
      await this.read({ limit: leaf, [side]: mark.id }, (r) => this.join(side, mark, r));
    } finally {
      this.busy = false;
    }
  }

  /** Puts a leaf to what is there. @param {"before"|"after"} side @param {any} mark @param {any} r */
  join(side, mark, r) {
    const have = new Set(this.messages.map((m) => m.id));
    const some = (r.messages || []).filter((/** @type {any} */ m) => !have.has(m.id));
    const anchor = /** @type {HTMLElement|null} */ (this.rowOf(mark.id));
    const was = anchor ? anchor.offsetTop : 0;
    const top = this.box.scrollTop;
    if (side === "before") {
      const seam = some.at(-1);
      const lead = this.list.firstElementChild;
      if (seam && lead?.classList.contains("day") && sameDay(seam, mark)) lead.remove();
      if (seam) anchor?.classList.toggle("first", begins(mark, seam));
      this.list.prepend(...this.rows(some, null));
      this.messages = some.concat(this.messages);
      this.earlier = !!r.earlier;
      for (const m of this.messages.splice(most)) {
        this.rowOf(m.id)?.remove();
        this.later = true;
      }
      while (this.list.lastElementChild?.classList.contains("day")) this.list.lastElementChild.remove();
    } else {
      append(this.list, [this.rows(some, this.messages.at(-1) || null)]);
      this.messages = this.messages.concat(some);
      this.later = !!r.later;
      for (const m of this.messages.splice(0, Math.max(0, this.messages.length - most))) {
        this.rowOf(m.id)?.remove();
        this.earlier = true;
      }
      while (this.list.firstElementChild?.classList.contains("day")) this.list.firstElementChild.remove();
      if (this.messages.length) this.list.prepend(dayMark(this.messages[0]));
    }
    const now = /** @type {HTMLElement|null} */ (this.rowOf(mark.id));
    if (now) this.box.scrollTop = top + now.offsetTop - was;
  }

  /** Keeps in mind what happened while an answer is on its way. @param {number} seq @param {() => void} again */
  note(seq, again) {
    if (this.reading && seq) this.meanwhile.push({ seq, again });
  }

  /** Takes a message that was just said. @param {any} m @param {number} seq of the event */
  add(m, seq) {
    this.note(seq, () => this.add(m, 0));
    if (this.messages.some((x) => x.id === m.id)) return this.change(m, 0);
    if (this.later) {
      this.down.hidden = false;
      return;
    }
    const end = this.atEnd();
    const last = this.messages.at(-1);
    this.messages.push(m);
    // The order is causal: what comes late may belong further up.
    if (last && Number(m.lamport || 0) <= Number(last.lamport || 0)) return this.refresh(end);
    append(this.list, [this.rows([m], last)]);
    if (end || m.mine) this.toEnd();
    else this.down.hidden = false;
    if (!m.mine) announce(`${m.from}: ${m.text || ""}`);
  }

  /** Reads again what is shown. @param {boolean} end */
  async refresh(end) {
    if (end) return this.open();
    const mid = this.messages[Math.floor(this.messages.length / 2)];
    if (!mid) return this.open();
    await this.read({ limit: this.messages.length, around: mid.id }, (r) => {
      const top = this.box.scrollTop;
      this.messages = r.messages || [];
      this.earlier = !!r.earlier;
      this.later = !!r.later;
      this.draw();
      this.box.scrollTop = top;
    });
  }

  /** Shows that a file came further. @param {any} p */
  progress(p) {
    const a = this.messages.find((m) => m.id === p.id)?.media?.[p.index || 0];
    const r = this.rowOf(p.id);
    if (!a || !r || a.state === "stored") return;
    Object.assign(a, { state: p.state, have: p.have });
    moved(r, { ...a, index: p.index || 0 });
  }

  /** Draws a message again that came further, or of which something was said. @param {any} m @param {number} seq of the event */
  change(m, seq) {
    this.note(seq, () => this.change(m, 0));
    const i = this.messages.findIndex((x) => x.id === m.id);
    const old = this.rowOf(m.id);
    if (i < 0 || !old) return;
    const end = this.atEnd();
    this.messages[i] = m;
    const fresh = row(m, old.classList.contains("first"), this.on);
    // What plays goes on: its tile is taken over, without what tells how far it is.
    for (const player of old.querySelectorAll("video, audio")) {
      const tile = player.closest("[data-file]");
      const place = tile && fresh.querySelector(`[data-file="${tile.getAttribute("data-file")}"]`);
      if (!tile || !place || (player instanceof HTMLAudioElement && player.paused && !player.currentTime)) continue;
      const bar = place.querySelector(".transfer");
      place.replaceWith(tile);
      tile.querySelector(".transfer")?.remove();
      if (bar) tile.append(bar);
    }
    const had = old.contains(document.activeElement);
    old.replaceWith(fresh);
    if (had) fresh.focus({ preventScroll: true });
    // Whoever answers it shows its beginning.
    this.messages.forEach((x) => {
      if (x.replyTo?.id !== m.id) return;
      x.replyTo = { ...x.replyTo, deleted: m.deleted, text: m.deleted ? "" : (m.text || "").slice(0, 200) };
      this.rowOf(x.id)?.replaceWith(row(x, !!this.rowOf(x.id)?.classList.contains("first"), this.on));
    });
    if (end) this.toEnd();
  }

  /** @param {string} id @param {number} seq of the event */
  remove(id, seq) {
    this.note(seq, () => this.remove(id, 0));
    this.messages = this.messages.filter((m) => m.id !== id);
    this.draw();
  }

  /** Moves among messages with the keyboard. @param {KeyboardEvent} e */
  key(e) {
    const rows = /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(".row")]);
    const at = rows.findIndex((r) => r.contains(document.activeElement));
    const go = e.key === "ArrowUp" ? (at < 0 ? rows.length - 1 : at - 1) : e.key === "ArrowDown" ? at + 1 : e.key === "End" ? rows.length - 1 : -1;
    if (e.key === "Enter" && at >= 0 && e.target === rows[at]) {
      e.preventDefault();
      const m = this.messages.find((x) => x.id === rows[at].dataset.id);
      if (m) this.on.menu(m, rows[at]);
    } else if (go >= 0 && rows[go]) {
      e.preventDefault();
      rows[go].focus();
      rows[go].scrollIntoView({ block: "nearest" });
    }
  }
}
