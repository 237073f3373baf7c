// Files of a message as they are drawn: pictures and films with what is known of them
// before they are here, voice notes, all else with how far it is.

import { call, mediaURL, thumbnailURL } from "./api.js";
import { bytesOf, clockOf, h, icon, iconButton, nameOf } from "./dom.js";
import { fill, say } from "./strings.js";
import { paint } from "./thumbhash.js";
import { isVoice, player } from "./voice.js";

const shown = 4; // files of an album that are drawn; the last tells how many more there are

export const isPicture = (/** @type {any} */ a) => /^image\/(jpeg|png|gif|webp)$/.test(a.type);
const isFilm = (/** @type {any} */ a) => /^video\/(mp4|webm|quicktime)$/.test(a.type) && !isVoice(a);
const isSound = (/** @type {any} */ a) => /^(audio\/|application\/ogg)/.test(a.type);

/** @typedef {{view: (m: any, i: number) => void, trouble: (text: string) => void}} On */

/** How far a file is, in words. @param {any} a */
function standing(a) {
  const size = Number(a.size || 0);
  const share = size ? Math.floor((100 * Number(a.have || 0)) / size) : 0;
  switch (a.state) {
    case "stored":
      return bytesOf(size);
    case "fetching":
      return `${bytesOf(size)} · ${fill(say.fetching, share)}`;
    case "paused":
      return `${bytesOf(size)} · ${say.paused}${share ? ` · ${fill(say.fetching, share)}` : ""}`;
    case "cancelled":
      return `${bytesOf(size)} · ${say.cancelled}`;
  }
  return `${bytesOf(size)} · ${say.waiting}`;
}

/** What there is to do about a file that is not here. @param {any} m @param {any} a @param {number} i @param {On} on */
function bar(m, a, i, on) {
  const size = Number(a.size || 0);
  /** @param {string} hold */
  const hold = (hold) => (/** @type {Event} */ e) => {
    e.stopPropagation();
    call("Hold", { id: m.id, index: i, hold }).catch((err) => on.trouble(err.message));
  };
  const rests = a.state === "paused" || a.state === "cancelled";
  return h("div", { class: "transfer" },
    h("span", { class: "file-size" }, standing(a)),
    rests ? iconButton("fetch", fill(say.fetchIt, a.name), hold("FETCH")) : iconButton("pause", fill(say.pauseIt, a.name), hold("PAUSE")),
    a.state === "cancelled" ? null : iconButton("close", fill(say.cancelIt, a.name), hold("CANCEL")),
    a.state === "cancelled" ? null : h("progress", { max: size || 1, value: Number(a.have || 0), "aria-label": a.name }));
}

/** Shows that a file came further, without drawing it again. @param {Element} row @param {any} p */
export function moved(row, p) {
  const tile = row.querySelector(`[data-file="${p.index || 0}"]`);
  const words = tile?.querySelector(".transfer .file-size"), share = tile?.querySelector("progress");
  if (words) words.textContent = standing(p);
  if (share) share.value = Number(p.have || 0);
}

/** What is drawn under a picture or film that is not here: its thumbnail, or its colours. @param {any} m @param {any} a @param {number} i */
function under(m, a, i) {
  if (a.preview?.hasThumbnail) return h("img", { class: "under", src: thumbnailURL(m.id, i), alt: "", decoding: "async" });
  const canvas = a.preview?.thumbhash ? paint(a.preview.thumbhash) : null;
  if (canvas) canvas.className = "under";
  return canvas;
}

/** Gives a tile the shape of its picture. @param {HTMLElement} tile @param {any} a @param {boolean} alone */
function shape(tile, a, alone) {
  const w = a.preview?.width, hgt = a.preview?.height;
  // What somebody claims may be a line; a tile is never one.
  if (alone && w && hgt) tile.style.aspectRatio = String(Math.min(3, Math.max(0.5, w / hgt)));
  return tile;
}

/** @param {any} m @param {any} a @param {number} i @param {On} on */
function file(m, a, i, on) {
  const ready = a.state === "stored";
  const inside = [icon("file"), h("span", { class: "file-name" }, nameOf(a.name)), ready ? h("span", { class: "file-size" }, standing(a)) : bar(m, a, i, on)];
  return ready ? h("a", { class: "file", "data-file": String(i), href: mediaURL(m.id, i, true), download: a.name }, ...inside) : h("div", { class: "file", "data-file": String(i) }, ...inside);
}

/** @param {any} m @param {any} a @param {number} i @param {On} on @param {boolean} alone */
function picture(m, a, i, on, alone) {
  if (a.state !== "stored") return shape(h("div", { class: "picture coming", "data-file": String(i) }, under(m, a, i), bar(m, a, i, on)), a, alone);
  const tile = h("button", { class: "picture", type: "button", "data-file": String(i), "aria-label": a.name, onclick: () => on.view(m, i) }, under(m, a, i));
  const img = h("img", { src: mediaURL(m.id, i), alt: a.name, loading: "lazy", decoding: "async", onload: () => tile.querySelector(".under")?.remove(),
    onerror: () => tile.replaceWith(file(m, a, i, on)) }); // it is none, whatever it is called
  tile.append(img);
  return shape(tile, a, alone);
}

/** A film: its first picture, and the rest when somebody wants it. @param {any} m @param {any} a @param {number} i @param {On} on @param {boolean} alone */
function film(m, a, i, on, alone) {
  const tile = h("div", { class: "picture film", "data-file": String(i) }, under(m, a, i));
  const start = () => {
    // The API's stream and this one are two connections of the few a browser keeps.
    const video = h("video", { src: mediaURL(m.id, i), controls: true, autoplay: true, playsInline: true, "aria-label": a.name,
      onerror: () => video.replaceWith(h("p", { class: "hint broken" }, say.cannotPlay), h("a", { class: "hint", href: mediaURL(m.id, i, true), download: a.name }, say.save)) });
    play.replaceWith(video);
    tile.querySelector(".under")?.remove();
  };
  const long = Number(a.preview?.durationMs || 0);
  const play = h("button", { type: "button", class: "play", "aria-label": `${say.play}: ${a.name}`, onclick: start }, icon("play"), long ? h("span", { class: "clock" }, clockOf(long / 1000)) : null);
  tile.append(play);
  if (a.state !== "stored") tile.append(bar(m, a, i, on));
  return shape(tile, a, alone);
}

/** @param {any} m @param {any} a @param {number} i @param {On} on @param {boolean} alone */
function one(m, a, i, on, alone) {
  if (isPicture(a) && (a.state === "stored" || a.preview)) return picture(m, a, i, on, alone);
  if (isFilm(a)) return film(m, a, i, on, alone);
  if (isVoice(a)) return h("div", { class: "sound", "data-file": String(i) }, player(mediaURL(m.id, i), a), a.state === "stored" ? null : bar(m, a, i, on));
  if (isSound(a) && a.state === "stored") return h("div", { class: "sound", "data-file": String(i) }, h("span", { class: "file-name" }, nameOf(a.name)), h("audio", { src: mediaURL(m.id, i), controls: true, preload: "none", "aria-label": a.name }));
  return file(m, a, i, on);
}

/** The files of a message: albums as a square of tiles, all else below each other. @param {any} m @param {On} on */
export function files(m, on) {
  /** @type {any[]} */ const all = m.media || [];
  if (!all.length) return null;
  const seen = all.map((a, i) => ({ a, i })).filter(({ a }) => isPicture(a) || isFilm(a));
  const tiles = seen.slice(0, shown).map(({ a, i }) => one(m, a, i, on, seen.length === 1));
  if (seen.length > shown) tiles[shown - 1].append(h("span", { class: "rest", "aria-label": fill(say.moreFiles, seen.length - shown) }, `+${seen.length - shown}`));
  const others = all.map((a, i) => ({ a, i })).filter(({ a }) => !isPicture(a) && !isFilm(a)).map(({ a, i }) => one(m, a, i, on, false));
  return h("div", { class: "files" }, tiles.length ? h("div", { class: `media n${tiles.length}` }, ...tiles) : null, ...others);
}
