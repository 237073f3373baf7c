// ThumbHash, decoded: a picture's colours out of a few bytes, for as long as the
// picture is not here. The format is Evan Wallace's.

const side = 32; // of what is drawn, in pixels

/** @param {string} base64 */
export const bytesOfBase64 = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

/**
 * paint draws a hash as a canvas, stretched by whoever shows it; null for what is no hash.
 * @param {string} base64
 * @returns {HTMLCanvasElement|null}
 */
export function paint(base64) {
  const hash = bytesOfBase64(base64);
  if (hash.length < 5) return null;
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16), tail = hash[3] | (hash[4] << 8);
  const alpha = head >> 23 === 1;
  const wide = tail >> 15 === 1;
  const short = tail & 7, long = alpha ? 5 : 7;
  const lx = Math.max(3, wide ? long : short), ly = Math.max(3, wide ? short : long);
  let at = alpha ? 12 : 10; // in half bytes
  if (alpha && hash.length < 6) return null;
  /** The waves of one plane. @param {number} nx @param {number} ny @param {number} scale */
  const waves = (nx, ny, scale) => {
    const all = [];
    for (let cy = 0; cy < ny; cy++)
      for (let cx = cy ? 0 : 1; cx * ny < nx * (ny - cy); cx++, at++)
        all.push({ cx, cy, f: ((((hash[at >> 1] ?? 0x77) >> ((at & 1) << 2)) & 15) / 7.5 - 1) * scale });
    return all;
  };
  const l = { dc: (head & 63) / 63, ac: waves(lx, ly, ((head >> 18) & 31) / 31) };
  const p = { dc: ((head >> 6) & 63) / 31.5 - 1, ac: waves(3, 3, (((tail >> 3) & 63) / 63) * 1.25) };
  const q = { dc: ((head >> 12) & 63) / 31.5 - 1, ac: waves(3, 3, (((tail >> 9) & 63) / 63) * 1.25) };
  const a = alpha ? { dc: (hash[5] & 15) / 15, ac: waves(5, 5, (hash[5] >> 4) / 15) } : { dc: 1, ac: [] };

  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  if (!context) return null;
  const picture = context.createImageData(side, side);
  const cos = Array.from({ length: 8 }, (_, c) => Float64Array.from({ length: side }, (_, x) => Math.cos((Math.PI / side) * (x + 0.5) * c)));
  /** @param {{dc: number, ac: {cx: number, cy: number, f: number}[]}} plane @param {number} x @param {number} y */
  const value = (plane, x, y) => plane.ac.reduce((sum, w) => sum + w.f * cos[w.cx][x] * cos[w.cy][y] * 2, plane.dc);
  for (let y = 0, o = 0; y < side; y++)
    for (let x = 0; x < side; x++, o += 4) {
      const lv = value(l, x, y), pv = value(p, x, y), qv = value(q, x, y);
      const b = lv - (2 / 3) * pv, r = (3 * lv - b + qv) / 2, g = r - qv;
      picture.data[o] = 255 * r; // clamped by what holds it
      picture.data[o + 1] = 255 * g;
      picture.data[o + 2] = 255 * b;
      picture.data[o + 3] = 255 * value(a, x, y);
    }
  context.putImageData(picture, 0, 0);
  return canvas;
}
