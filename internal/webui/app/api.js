// The node's API: Connect over JSON, one stream for what happens, plain HTTP for
// files. See docs/spec/api.md and page.md.

export class Refused extends Error {
  /** @param {string} message @param {string} hint @param {number} status */
  constructor(message, hint, status) {
    super(message);
    this.hint = hint;
    this.status = status;
  }
}

/** What is heard when the browser is let in no longer. @type {() => void} */
let onOut = () => {};
/** @param {() => void} f */
export const whenOut = (f) => (onOut = f);

/** @param {Response} r */
async function failure(r) {
  if (r.status === 401 || r.status === 403) onOut();
  let body = /** @type {any} */ ({});
  try {
    body = await r.json();
  } catch {
    // It has no words.
  }
  return new Refused(body.message || body.error || `${r.status}`, r.headers.get("Kith-Hint") || body.hint || "", r.status);
}

/**
 * call asks the node for one thing.
 * @param {string} method @param {object} [body] @param {boolean} [keepalive] it may be asked while the page is left
 * @returns {Promise<any>}
 */
export async function call(method, body = {}, keepalive = false) {
  const r = await fetch(`/kith.api.v1.Kith/${method}`, { method: "POST", keepalive, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!r.ok) throw await failure(r);
  return r.json();
}

/** @param {string} path @param {object} [body] @returns {Promise<any>} */
export async function plain(path, body) {
  const r = await fetch(path, body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!r.ok) throw await failure(r);
  return r.status === 204 ? {} : r.json();
}

/** Exchanges the token in the address for a session. @param {string} token */
export async function launch(token) {
  const r = await fetch("/launch", { method: "POST", body: token });
  return r.ok;
}

/**
 * watch calls on for everything that happens after a sequence, until the stream ends.
 * @param {number} after @param {(event: any) => void} on @param {AbortSignal} [signal]
 */
export async function watch(after, on, signal) {
  const text = new TextEncoder().encode(JSON.stringify({ after: String(after) }));
  const body = new Uint8Array(5 + text.length);
  new DataView(body.buffer).setUint32(1, text.length);
  body.set(text, 5);
  const r = await fetch("/kith.api.v1.Kith/Watch", { method: "POST", headers: { "Content-Type": "application/connect+json" }, body, signal });
  if (!r.ok || !r.body) throw await failure(r);
  const reader = r.body.getReader();
  let held = new Uint8Array(0);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const all = new Uint8Array(held.length + value.length);
    all.set(held);
    all.set(value, held.length);
    held = all;
    while (held.length >= 5) {
      const length = new DataView(held.buffer, held.byteOffset).getUint32(1);
      if (held.length < 5 + length) break;
      const end = (held[0] & 2) !== 0;
      const event = JSON.parse(new TextDecoder().decode(held.subarray(5, 5 + length)));
      held = held.subarray(5 + length);
      if (end) return;
      on(event);
    }
  }
}

/**
 * upload stores a file for the next message.
 * @param {File} file @param {boolean} asFile @param {(share: number) => void} progress @param {AbortSignal} signal
 * @returns {Promise<{token: string, name: string}>}
 */
export function upload(file, asFile, progress, signal) {
  // fetch does not tell how far an upload is.
  return new Promise((done, fail) => {
    const x = new XMLHttpRequest();
    const name = file.name || "file";
    x.open("POST", `/media?name=${encodeURIComponent(name)}${asFile ? "&as_file=1" : ""}`);
    x.responseType = "json";
    x.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    x.onload = () => {
      if (x.status === 200) done({ token: x.response.token, name });
      else fail(new Refused(x.response?.error || `${x.status}`, x.response?.hint || "", x.status));
    };
    x.onerror = () => fail(new Refused("the node does not answer", "", 0));
    x.onabort = () => fail(new DOMException("", "AbortError"));
    signal.addEventListener("abort", () => x.abort());
    x.send(file);
  });
}

/** @param {string} text @returns {Promise<string>} the address of a picture of its QR code */
export async function qrOf(text) {
  const r = await fetch("/qr", { method: "POST", body: text });
  if (!r.ok) throw await failure(r);
  return URL.createObjectURL(await r.blob());
}

/** @param {Blob} picture @returns {Promise<string>} */
export async function readQR(picture) {
  const r = await fetch("/qr/read", { method: "POST", body: picture });
  if (!r.ok) throw await failure(r);
  return (await r.json()).text;
}

/** @param {string} id @param {number} i */
export const thumbnailURL = (id, i) => `/media/${id}/${i}/thumbnail`;

/** @param {string} id @param {number} i @param {boolean} [save] */
export const mediaURL = (id, i, save) => `/media/${id}/${i}${save ? "?save=1" : ""}`;
