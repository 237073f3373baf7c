// What a person is about to say: text, files, an answer, an edit.

import { call, Refused, upload } from "./api.js";
import { bytesOf, fillWith, h, icon, iconButton, nameOf } from "./dom.js";
import { quote } from "./message.js";
import { previewOf } from "./previews.js";
import { fill, say } from "./strings.js";
import { Recorder } from "./voice.js";

const mostFiles = 64;
const mostText = 64 * 1024; // bytes of a message
const restful = 700; // milliseconds without a key after which a draft is kept

export class Compose {
  /**
   * @param {any} contact @param {{text: string, reply: any}} draft kept by the node
   * @param {(text: string) => void} trouble @param {(text: string, reply: any) => void} drafted
   */
  constructor(contact, draft, trouble, drafted) {
    this.contact = contact;
    this.draft = draft;
    this.trouble = trouble;
    this.drafted = drafted;
    /** @type {{file: File, preview: any, element: HTMLElement, stop: AbortController}[]} */ this.files = [];
    /** @type {any} */ this.reply = null;
    /** @type {any} */ this.edit = null;
    this.told = 0;
    this.field = h("textarea", { rows: 1, dir: "auto", placeholder: say.message, "aria-label": say.message, enterKeyHint: "send",
      oninput: () => this.written(), onkeydown: (/** @type {KeyboardEvent} */ e) => this.key(e), onpaste: (/** @type {ClipboardEvent} */ e) => this.paste(e) });
    this.picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => {
      this.take([...(this.picker.files || [])]);
      this.picker.value = "";
    } });
    this.raw = h("input", { type: "checkbox", id: "raw" });
    this.rawRow = h("label", { class: "raw", for: "raw", hidden: true }, this.raw, say.asFile);
    this.about = h("div", { class: "about", hidden: true });
    this.chips = h("ul", { class: "chips", hidden: true });
    this.recorder = new Recorder((file, preview) => {
      this.take([file], preview);
      this.send();
    }, trouble);
    this.button = iconButton("send", say.send, () => this.send(), { class: "icon-button send" });
    this.element = h("form", { class: "compose", onsubmit: (/** @type {Event} */ e) => {
      e.preventDefault();
      this.send();
    } }, this.about, this.chips, this.rawRow, this.recorder.element, h("div", { class: "compose-line" }, iconButton("clip", say.attach, () => this.picker.click()), this.picker, this.field, iconButton("mic", say.record, () => this.recorder.start()), this.button));
    this.field.value = draft.text;
    if (draft.reply) this.answer(draft.reply);
  }

  focus() {
    this.grow();
    this.field.focus();
  }

  /** Leaves the conversation: what was written is kept for the next time. */
  leave() {
    this.recorder.stop(false);
    this.keep();
  }

  /** Has the node keep what was written. */
  keep() {
    clearTimeout(this.resting);
    const text = this.field.value, reply = this.reply;
    if (this.edit || (text === this.draft.text && reply?.id === this.draft.reply?.id)) return;
    this.draft = { text, reply };
    this.drafted(text, reply);
    call("Draft", { contact: this.contact.account, text, ...(reply ? { replyTo: reply.id } : {}) }, lengthOf(text) < mostText / 2).catch(() => {}); // it is in the field still
  }

  written() {
    this.grow();
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.keep(), restful);
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
    const text = e.clipboardData?.getData("text/plain") || "";
    if (files.length) {
      e.preventDefault();
      this.take(files);
    } else if (lengthOf(text) > mostText) {
      e.preventDefault();
      this.asFile(text);
    }
  }

  /** Has a text that is too long for a message sent as a file. @param {string} text */
  asFile(text) {
    this.take([new File([text], say.textName, { type: "text/plain" })]);
    this.trouble(say.tooLong);
  }

  /** @param {any} m */
  answer(m) {
    this.drop();
    this.reply = m;
    fillWith(this.about, h("div", null, h("b", null, say.replying), ...quote({ here: true, mine: m.mine, from: m.from, text: m.text, deleted: m.deleted, media: (m.media || []).length })), iconButton("close", say.cancel, () => this.drop()));
    this.about.hidden = false;
    this.field.focus();
    this.keep();
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
    if (this.edit) this.field.value = this.draft.text;
    this.reply = this.edit = null;
    this.about.hidden = true;
    this.grow();
    this.keep();
  }

  /** @param {File[]} files @param {any} [preview] */
  take(files, preview) {
    if (this.files.length + files.length > mostFiles) {
      this.trouble(say.tooMany);
      files = files.slice(0, mostFiles - this.files.length);
    }
    for (const file of files) {
      const one = { file, preview: preview || previewOf(file), stop: new AbortController(), element: h("li", null, chipPicture(file), nameOf(file.name), h("span", { class: "file-size" }, bytesOf(file.size)), iconButton("close", say.remove, () => {
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
    const { reply, edit } = this;
    if (lengthOf(this.field.value) > mostText && !edit) {
      this.asFile(this.field.value);
      this.field.value = "";
      return this.grow();
    }
    const text = this.field.value;
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
            const preview = await f.preview;
            const sent = await upload(f.file, this.raw.checked, (share) => (bar.value = share), f.stop.signal);
            media.push({ ...sent, ...(preview ? { preview } : {}) });
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
        this.field.value = "";
      }
      this.drop();
    } catch (err) {
      const r = /** @type {Refused} */ (err);
      this.trouble(r.hint ? `${r.message}: ${r.hint}` : r.message);
    } finally {
      this.button.disabled = false;
    }
  }
}

/** How long a text is for the node. @param {string} text */
const lengthOf = (text) => new TextEncoder().encode(text).length;

/** What stands before a file that is about to be sent. @param {File} file */
function chipPicture(file) {
  if (!/^image\/(jpeg|png|gif|webp)$/.test(file.type) || file.size > 32 << 20) return icon("file");
  const src = URL.createObjectURL(file);
  const img = h("img", { class: "chip-picture", alt: "", src, onload: () => URL.revokeObjectURL(src), onerror: () => img.replaceWith(icon("file")) });
  return img;
}
