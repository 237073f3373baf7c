// What a person is about to say: text, files, an answer, an edit.

import { call, Refused, upload } from "./api.js";
import { bytesOf, fillWith, h, icon, iconButton, nameOf } from "./dom.js";
import { quote } from "./message.js";
import { fill, say } from "./strings.js";
import { Recorder } from "./voice.js";

const mostFiles = 64;

/** Drafts are kept while the page is open, and nowhere on the disk. @type {Map<string, {text: string, reply: any}>} */
const drafts = new Map();

export class Compose {
  /** @param {any} contact @param {(text: string) => void} trouble */
  constructor(contact, trouble) {
    this.contact = contact;
    this.trouble = trouble;
    /** @type {{file: File, element: HTMLElement, stop: AbortController}[]} */ this.files = [];
    /** @type {any} */ this.reply = null;
    /** @type {any} */ this.edit = null;
    this.told = 0;
    this.field = h("textarea", { rows: 1, dir: "auto", placeholder: say.message, "aria-label": say.message, enterKeyHint: "send", maxLength: 65536,
      oninput: () => this.written(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e), onpaste: (/** @type {ClipboardEvent} */ e) => this.paste(e) });
    this.picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => {
      this.take([...(this.picker.files || [])]);
      this.picker.value = "";
    } });
    this.raw = h("input", { type: "checkbox", id: "raw" });
    this.rawRow = h("label", { class: "raw", for: "raw", hidden: true }, this.raw, say.asFile);
    this.about = h("div", { class: "about", hidden: true });
    this.chips = h("ul", { class: "chips", hidden: true });
    this.recorder = new Recorder((file) => {
      this.take([file]);
      this.send();
    }, trouble);
    this.button = iconButton("send", say.send, () => this.send(), { class: "icon-button send" });
    this.element = h("form", { class: "compose", onsubmit: (/** @type {Event} */ e) => {
      e.preventDefault();
      this.send();
    } }, this.about, this.chips, this.rawRow, this.recorder.element, h("div", { class: "compose-line" }, iconButton("clip", say.attach, () => this.picker.click()), this.picker, this.field, iconButton("mic", say.record, () => this.recorder.start()), this.button));
    const kept = drafts.get(contact.account);
    if (kept) {
      this.field.value = kept.text;
      if (kept.reply) this.answer(kept.reply);
    }
  }

  focus() {
    this.grow();
    this.field.focus();
  }

  /** Keeps what was written for the next time. */
  keep() {
    this.recorder.stop(false);
    if (!this.edit) drafts.set(this.contact.account, { text: this.field.value, reply: this.reply });
  }

  written() {
    this.grow();
    // At most one word of it in three seconds; the node does not say more either.
    if (this.contact.typing && !this.edit && this.field.value && Date.now() - this.told > 3000) {
      this.told = Date.now();
      call("Typing", { contact: this.contact.account }).catch(() => {});
    }
  }

  grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, window.innerHeight * 0.4)}px`;
  }

  /** @param {KeyboardEvent} e */
  key(e) {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      this.send();
    } else if (e.key === "Escape" && (this.reply || this.edit)) {
      e.stopPropagation();
      this.drop();
    }
  }

  /** @param {ClipboardEvent} e */
  paste(e) {
    const files = [...(e.clipboardData?.files || [])];
    if (files.length) {
      e.preventDefault();
      this.take(files);
    }
  }

  /** @param {any} m */
  answer(m) {
    this.drop();
    this.reply = m;
    fillWith(this.about, h("div", null, h("b", null, say.replying), ...quote({ here: true, mine: m.mine, from: m.from, text: m.text, deleted: m.deleted, media: (m.media || []).length })), iconButton("close", say.cancel, () => this.drop()));
    this.about.hidden = false;
    this.field.focus();
  }

  /** @param {any} m */
  change(m) {
    this.keep();
    this.drop();
    this.edit = m;
    this.field.value = m.text;
    fillWith(this.about, h("div", null, h("b", null, say.editing)), iconButton("close", say.cancel, () => this.drop()));
    this.about.hidden = false;
    this.focus();
  }

  drop() {
    if (this.edit) this.field.value = drafts.get(this.contact.account)?.text || "";
    this.reply = this.edit = null;
    this.about.hidden = true;
    this.grow();
  }

  /** @param {File[]} files */
  take(files) {
    if (this.files.length + files.length > mostFiles) {
      this.trouble(say.tooMany);
      files = files.slice(0, mostFiles - this.files.length);
    }
    for (const file of files) {
      const one = { file, stop: new AbortController(), element: h("li", null, icon("file"), nameOf(file.name), h("span", { class: "file-size" }, bytesOf(file.size)), iconButton("close", say.remove, () => {
        one.stop.abort();
        this.files = this.files.filter((f) => f !== one);
        this.showChips();
      })) };
      this.files.push(one);
    }
    this.showChips();
    this.field.focus();
  }

  showChips() {
    fillWith(this.chips, ...this.files.map((f) => f.element));
    this.chips.hidden = this.rawRow.hidden = this.files.length === 0;
  }

  async send() {
    const text = this.field.value;
    const { reply, edit } = this;
    if (this.button.disabled || (!text.trim() && !this.files.length)) return;
    this.button.disabled = true;
    try {
      if (edit) {
        if (text !== edit.text) await call("Edit", { id: edit.id, text });
      } else {
        const media = [];
        for (const f of [...this.files]) {
          const bar = h("progress", { max: 1, value: 0, "aria-label": fill(say.uploading, f.file.name) });
          f.element.append(bar);
          try {
            media.push(await upload(f.file, this.raw.checked, (share) => (bar.value = share), f.stop.signal));
          } catch (err) {
            bar.remove();
            if (/** @type {Error} */ (err).name === "AbortError") continue;
            throw err;
          }
        }
        if (text.trim() || media.length) await call("Send", { contact: this.contact.account, text: text.trim() ? text : "", media, ...(reply ? { replyTo: reply.id } : {}) });
        this.files = [];
        this.raw.checked = false;
        this.showChips();
        drafts.delete(this.contact.account);
        this.field.value = "";
      }
      this.drop();
      this.grow();
    } catch (err) {
      const r = /** @type {Refused} */ (err);
      this.trouble(r.hint ? `${r.message}: ${r.hint}` : r.message);
    } finally {
      this.button.disabled = false;
    }
  }
}
