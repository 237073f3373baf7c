// What can be done with a message, and a closer look at it.

import { call, mediaURL } from "./api.js";
import { dialog, exactTime, fillWith, h, icon, iconButton, nameOf } from "./dom.js";
import { isPicture } from "./media.js";
import { standing } from "./message.js";
import { fill, say } from "./strings.js";

const quick = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/**
 * menu opens beside a message.
 * @param {any} m @param {Element} at @param {{reply: (m: any) => void, edit: (m: any) => void, trouble: (e: Error) => void, contacts: () => any[]}} on
 */
export function menu(m, at, on) {
  /** @param {() => Promise<any>|any} f */
  const doing = (f) => async () => {
    d.close();
    try {
      await f();
    } catch (err) {
      on.trouble(/** @type {Error} */ (err));
    }
  };
  const felt = (m.reactions || []).find((/** @type {any} */ r) => r.mine)?.emoji;
  /** @param {string} label @param {() => any} f @param {string} [cls] */
  const item = (label, f, cls) => h("button", { type: "button", role: "menuitem", class: cls, onclick: doing(f) }, label);
  const own = h("input", { type: "text", maxLength: 16, placeholder: "☺", "aria-label": say.react, onkeydown: (/** @type {KeyboardEvent} */ e) => {
    if (e.key === "Enter" && own.value.trim()) doing(() => call("React", { id: m.id, emoji: own.value.trim() }))();
  } });
  const files = m.media || [];
  const d = dialog(say.more, "menu", h("div", { role: "menu" },
    m.deleted ? null : h("div", { class: "quick" }, ...quick.map((e) => h("button", { type: "button", role: "menuitem", "aria-pressed": String(felt === e), onclick: doing(() => call("React", { id: m.id, emoji: felt === e ? "" : e })) }, e)), own),
    m.deleted ? null : item(say.reply, () => on.reply(m)),
    m.mine && !m.deleted && m.text ? item(say.edit, () => on.edit(m)) : null,
    m.text ? item(say.copy, () => navigator.clipboard.writeText(m.text)) : null,
    m.deleted || files.some((/** @type {any} */ a) => a.state !== "stored") ? null : item(say.forward, () => forward(m, on)),
    ...files.map((/** @type {any} */ a, /** @type {number} */ i) => (a.state === "stored" ? h("a", { role: "menuitem", href: mediaURL(m.id, i, true), download: a.name }, `${say.save} ${files.length > 1 ? a.name : ""}`) : null)),
    item(say.details, () => details(m)),
    item(say.deleteHere, () => call("Delete", { ids: [m.id] }), "danger"),
    m.mine && !m.deleted ? item(say.deleteAll, () => call("Delete", { ids: [m.id], forEveryone: true }), "danger") : null));
  const box = at.getBoundingClientRect();
  d.style.insetBlockStart = `${Math.max(8, Math.min(box.bottom + 4, window.innerHeight - d.offsetHeight - 8))}px`;
  d.style.left = `${Math.max(8, Math.min(box.left, window.innerWidth - d.offsetWidth - 8))}px`;
  d.addEventListener("keydown", (e) => {
    const items = /** @type {HTMLElement[]} */ ([...d.querySelectorAll("[role=menuitem]")]);
    const now = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const next = e.key === "ArrowDown" ? now + 1 : e.key === "ArrowUp" ? now - 1 : NaN;
    if (items[next]) {
      e.preventDefault();
      items[next].focus();
    }
  });
  d.addEventListener("close", () => {
    // What was chosen may have put the cursor elsewhere.
    if (document.activeElement === document.body) /** @type {HTMLElement} */ (at.closest(".row"))?.focus({ preventScroll: true });
  });
}

/** Asks whom a message is to be passed on to. @param {any} m @param {{contacts: () => any[], trouble: (e: Error) => void}} on */
function forward(m, on) {
  const files = (m.media || []).map((/** @type {any} */ _, /** @type {number} */ index) => ({ message: m.id, index }));
  /** @param {any} c */
  const to = (c) => async () => {
    d.close();
    try {
      await call("Send", { contact: c.account, text: m.text || "", media: files });
    } catch (err) {
      on.trouble(/** @type {Error} */ (err));
    }
  };
  const d = dialog(say.forward, "sheet", h("header", null, h("h2", null, say.forward), iconButton("close", say.close, () => d.close())),
    h("section", null, h("p", null, say.forwardMore), h("ul", { class: "people" }, ...on.contacts().filter((c) => !c.blocked && c.state !== "refused").map((c) => h("li", null, h("button", { type: "button", onclick: to(c) }, nameOf(c.name)))))));
}

/** @param {any} m */
function details(m) {
  const [picture, words] = standing(m);
  const rows = [[m.mine ? say.you : m.from, exactTime(Number(m.atMs))]];
  if (m.editedAtMs) rows.push([say.edited, exactTime(Number(m.editedAtMs))]);
  if (m.deleted && m.deletedOf) rows.push([say.deleted, fill(say.deletedThere, m.deletedOn || 0, m.deletedOf)]);
  for (const a of m.media || []) rows.push([a.name, `SHA-256 ${a.sha256}`]);
  const d = dialog(say.details, "sheet", h("header", null, h("h2", null, say.details), iconButton("close", say.close, () => d.close())),
    h("section", null, m.mine ? h("p", { class: "standing" }, icon(picture), words) : null,
      h("dl", null, ...rows.flatMap(([k, v]) => [h("dt", null, k), h("dd", { class: "mono" }, v)])), h("p", { class: "hint mono" }, m.id)));
}

/**
 * view shows the pictures of a conversation one at a time, beginning with one.
 * @param {any[]} messages @param {any} m @param {number} at
 */
export function view(messages, m, at) {
  const pictures = messages.flatMap((x) => (x.media || []).map((/** @type {any} */ a, /** @type {number} */ i) => ({ id: x.id, a, i }))).filter((x) => isPicture(x.a) && x.a.state === "stored");
  let now = Math.max(0, pictures.findIndex((x) => x.id === m.id && x.i === at));
  let zoom = 1, x = 0, y = 0; // how large, and how far from the middle
  const picture = h("img", { alt: "", draggable: false, ondblclick: () => scale(zoom > 1 ? 1 : 2.5) });
  const name = h("bdi", null), place = h("span", { class: "hint" });
  const move = () => (picture.style.transform = zoom === 1 ? "" : `translate(${x}px, ${y}px) scale(${zoom})`);
  /** @param {number} z */
  function scale(z) {
    zoom = Math.max(1, Math.min(8, z));
    if (zoom === 1) x = y = 0;
    picture.classList.toggle("zoomed", zoom > 1);
    move();
  }
  picture.onpointerdown = (e) => {
    if (zoom === 1) return;
    picture.setPointerCapture(e.pointerId);
    picture.onpointermove = (e) => {
      x += e.movementX;
      y += e.movementY;
      move();
    };
    picture.onpointerup = picture.onpointercancel = () => (picture.onpointermove = null);
  };
  const back = iconButton("back", say.previous, () => show(now - 1)), next = iconButton("next", say.following, () => show(now + 1));
  /** @param {number} to */
  function show(to) {
    if (!pictures[to]) return;
    now = to;
    scale(1);
    const { id, a, i } = pictures[now];
    picture.src = mediaURL(id, i);
    picture.alt = a.name;
    fillWith(name, a.name);
    place.textContent = pictures.length > 1 ? `${now + 1} / ${pictures.length}` : "";
    back.disabled = now === 0;
    next.disabled = now === pictures.length - 1;
  }
  const d = dialog(say.pictures, "viewer", h("header", null, name, place, iconButton("search", say.zoom, () => scale(zoom > 1 ? 1 : 2.5)), h("a", { class: "icon-button", href: "#", "aria-label": say.save, title: say.save, onclick: (/** @type {any} */ e) => {
    e.currentTarget.href = mediaURL(pictures[now].id, pictures[now].i, true);
    e.currentTarget.download = pictures[now].a.name;
  } }, icon("fetch")), iconButton("close", say.close, () => d.close())),
  h("div", { class: "stage", onwheel: (/** @type {WheelEvent} */ e) => scale(zoom * (e.deltaY < 0 ? 1.15 : 0.87)) }, back, picture, next));
  d.addEventListener("keydown", (e) => {
    if (e.key === "ArrowLeft") show(now - 1);
    else if (e.key === "ArrowRight") show(now + 1);
    else if (e.key === "+") scale(zoom * 1.3);
    else if (e.key === "-") scale(zoom / 1.3);
  });
  show(now);
}
