// A conversation: a window of messages out of any number, read in leaves.

import { call } from "./api.js";
import { announce, append, dayKey, dayOf, fillWith, h, iconButton } from "./dom.js";
import { row } from "./message.js";
import { say } from "./strings.js";

const leaf = 60; // messages read at once
const most = 240; // kept in the page
const group = 5 * 60_000; // a person's messages within it belong together

export class Timeline {
  /** @param {any} contact @param {any} on */
  constructor(contact, on) {
    this.contact = contact;
    this.on = { ...on, jump: (/** @type {string} */ id) => this.jump(id) };
    /** @type {any[]} */ this.messages = [];
    this.earlier = this.later = false;
    this.busy = false;
    this.list = h("ol", { class: "messages", "aria-label": contact.name });
    this.box = h("div", { class: "timeline", tabIndex: 0, role: "log", "aria-live": "off", onscroll: () => this.scrolled(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e) }, this.list);
    this.down = iconButton("down", say.jumpNew, () => this.newest(), { class: "icon-button jump", hidden: true });
    this.element = h("div", { class: "timeline-frame" }, this.box, this.down);
    // Pictures grow when they are there; whoever looks at the end goes on to.
    this.sticks = true;
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.list);
    new ResizeObserver(() => this.sticks && this.toEnd()).observe(this.box);
  }

  /** Shows the newest messages, or those around one. @param {string} [around] */
  async open(around) {
    const r = await call("Log", { contact: this.contact.account, limit: leaf, ...(around ? { around } : {}) });
    this.messages = r.messages || [];
    this.earlier = !!r.earlier;
    this.later = !!r.later;
    this.sticks = !around;
    this.draw();
    if (around) this.reveal(around);
    else this.toEnd();
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
      if (!before || dayKey(Number(before.atMs)) !== dayKey(Number(m.atMs)))
        out.push(h("li", { class: "day" }, h("span", null, dayOf(Number(m.atMs), say))));
      const first = !before || before.notice || before.mine !== m.mine || Number(m.atMs) - Number(before.atMs) > group;
      out.push(row(m, first, this.on));
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
      const r = await call("Log", { contact: this.contact.account, limit: leaf, [side]: mark.id });
      const some = r.messages || [];
      const anchor = /** @type {HTMLElement|null} */ (this.rowOf(mark.id));
      const was = anchor ? anchor.offsetTop : 0;
      if (side === "before") {
        this.messages = some.concat(this.messages);
        this.earlier = !!r.earlier;
        if (this.messages.length > most) {
          this.messages.length = most;
          this.later = true;
        }
      } else {
        this.messages = this.messages.concat(some);
        this.later = !!r.later;
        if (this.messages.length > most) {
          this.messages = this.messages.slice(-most);
          this.earlier = true;
        }
      }
      const top = this.box.scrollTop;
      this.draw();
      const now = /** @type {HTMLElement|null} */ (this.rowOf(mark.id));
      if (now) this.box.scrollTop = top + now.offsetTop - was;
    } finally {
      this.busy = false;
    }
  }

  /** Takes a message that was just said. @param {any} m */
  add(m) {
    if (this.messages.some((x) => x.id === m.id)) return this.change(m);
    if (this.later) {
      this.down.hidden = false;
      return;
    }
    const end = this.atEnd();
    const last = this.messages.at(-1);
    this.messages.push(m);
    // The order is causal: what comes late may belong further up.
    if (last && Number(m.atMs) < Number(last.atMs) && !m.mine) return this.refresh(end);
    append(this.list, [this.rows([m], last)]);
    if (end || m.mine) this.toEnd();
    else this.down.hidden = false;
    if (!m.mine) announce(`${m.from}: ${m.text || ""}`);
  }

  /** Reads again what is shown. @param {boolean} end */
  async refresh(end) {
    if (end) return this.open();
    const mid = this.messages[Math.floor(this.messages.length / 2)];
    const r = await call("Log", { contact: this.contact.account, limit: this.messages.length, around: mid.id });
    const top = this.box.scrollTop;
    this.messages = r.messages || [];
    this.earlier = !!r.earlier;
    this.later = !!r.later;
    this.draw();
    this.box.scrollTop = top;
  }

  /** Draws a message again that came further, or of which something was said. @param {any} m */
  change(m) {
    const i = this.messages.findIndex((x) => x.id === m.id);
    const old = this.rowOf(m.id);
    if (i < 0 || !old) return;
    const end = this.atEnd();
    const playing = [...old.querySelectorAll(".voice, video, audio:not(.voice audio)")];
    this.messages[i] = m;
    const fresh = row(m, old.classList.contains("first"), this.on);
    // What plays goes on: players are taken over whole.
    const places = fresh.querySelectorAll(".voice, video, audio:not(.voice audio)");
    if (places.length === playing.length) places.forEach((p, i) => p.replaceWith(playing[i]));
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

  /** @param {string} id */
  remove(id) {
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
