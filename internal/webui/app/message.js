// One message as it is drawn.

import { h, icon, iconButton, nameOf, timeOf } from "./dom.js";
import { files } from "./media.js";
import { fill, say } from "./strings.js";
import { isVoice } from "./voice.js";

/** How far a message is known to have come. @param {any} m @returns {[string, string]} picture and words */
export function standing(m) {
  switch (m.state) {
    case "boxed":
      return ["box", fill(say.boxed, m.boxedOn || 0, m.boxedOf || 0)];
    case "fetched":
      return ["down", say.fetched];
    case "delivered":
      return ["check", say.delivered];
    case "read":
      return ["checks", say.read];
  }
  return ["clock", say.queued];
}

/** Text with its addresses as links. @param {string} text */
function words(text) {
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(/https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]}]/g)) {
    parts.push(text.slice(at, found.index), h("a", { href: found[0], target: "_blank", rel: "noopener noreferrer" }, found[0]));
    at = found.index + found[0].length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** @param {number} n */
export const filesOf = (n) => (n === 1 ? say.file : fill(say.files, n));

/** What a list says of a message. @param {any} m */
export function briefly(m) {
  const media = m.media || [];
  if (m.deleted) return say.deleted;
  if (m.notice) return say.session;
  return m.text || (media.length === 1 ? (isVoice(media[0]) ? say.voice : media[0].name) : filesOf(media.length));
}

/** @param {any} q */
export function quote(q) {
  const body = !q.here ? say.notHere : q.deleted ? say.deleted : q.text || filesOf(q.media || 0);
  return [q.here ? h("span", { class: "who" }, q.mine ? say.you : nameOf(q.from)) : null, h("span", { class: "what", dir: "auto" }, body)];
}

/**
 * row draws a message. First tells whether it begins a group of one person's.
 * @param {any} m @param {boolean} first @param {{menu: (m: any, at: Element) => void, view: (m: any, i: number) => void, jump: (id: string) => void, react: (m: any, emoji: string) => void, trouble: (text: string) => void}} on
 */
export function row(m, first, on) {
  const who = m.mine ? say.you : m.from;
  if (m.notice) return h("li", { class: "notice", "data-id": m.id }, h("p", null, say.session));
  const [picture, words_] = standing(m);
  const meta = h("span", { class: "meta" }, m.editedAtMs ? h("span", null, say.edited) : null, h("time", null, timeOf(Number(m.atMs))), m.mine && !m.deleted ? icon(picture, words_) : null,
    m.mine && m.state === "boxed" && !m.deleted ? h("span", { "aria-hidden": "true" }, `${m.boxedOn || 0}/${m.boxedOf || 0}`) : null);
  const bubble = h("div", { class: "bubble" },
    m.replyTo ? h("button", { class: "quote", type: "button", onclick: () => on.jump(m.replyTo.id) }, ...quote(m.replyTo)) : null,
    files(m, on),
    // The time stands on the last line where there is room for it.
    m.deleted
      ? h("p", { class: "text gone" }, m.mine && m.deletedOf ? `${say.deleted} · ${fill(say.deletedThere, m.deletedOn || 0, m.deletedOf)}` : say.deleted, meta)
      : m.text
        ? h("p", { class: "text", dir: "auto" }, ...words(m.text), meta)
        : meta);
  const reactions = (m.reactions || []).length
    ? h("div", { class: "reactions" }, ...m.reactions.map((/** @type {any} */ r) => h("button", { type: "button", class: r.mine ? "mine" : "", title: r.mine ? say.you : r.who, "aria-label": `${r.emoji} ${r.mine ? say.you : r.who}`, onclick: () => on.react(m, r.mine ? "" : r.emoji) }, r.emoji)))
    : null;
  return h("li", { class: `row ${m.mine ? "mine" : "theirs"} ${first ? "first" : ""}`, "data-id": m.id, tabIndex: -1, "aria-label": `${who}, ${timeOf(Number(m.atMs))}` },
    h("div", { class: "line" }, bubble, iconButton("more", say.more, (e) => on.menu(m, /** @type {Element} */ (e.currentTarget)), { class: "icon-button more" })), reactions);
}
