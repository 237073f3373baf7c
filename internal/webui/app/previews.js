// What a film looks like before it is there: its first picture, size and length, found
// here since only a browser can decode it. Of pictures the node knows itself.

const side = 128; // of a thumbnail, in pixels
const most = 3 * 1024; // bytes of one
const patience = 4000; // milliseconds, for a file that is no film

/** @typedef {{width?: number, height?: number, durationMs?: string, thumbnail?: string, waveform?: string}} Preview */

/** @param {Uint8Array} b */
export const base64 = (b) => btoa(String.fromCharCode(...b));

/**
 * previewOf looks into a film; null for what is none or cannot be read here.
 * @param {File} file
 * @returns {Promise<Preview|null>}
 */
export async function previewOf(file) {
  if (!file.type.startsWith("video/")) return null;
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  const src = URL.createObjectURL(file);
  try {
    video.src = src;
    await happens(video, "loadeddata");
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    video.currentTime = Math.min(1, length / 4);
    await happens(video, "seeked");
    if (!video.videoWidth) return null;
    return { width: video.videoWidth, height: video.videoHeight, durationMs: String(Math.round(length * 1000)), thumbnail: await small(video) };
  } catch {
    return null;
  } finally {
    video.removeAttribute("src");
    URL.revokeObjectURL(src);
  }
}

/** @param {HTMLVideoElement} video @param {string} what */
const happens = (video, what) => new Promise((done, fail) => {
  const late = setTimeout(() => fail(new Error(what)), patience);
  const end = (/** @type {(v?: any) => void} */ f) => () => {
    clearTimeout(late);
    f(new Error(what));
  };
  video.addEventListener(what, end(done), { once: true });
  video.addEventListener("error", end(fail), { once: true });
});

/** The picture that is shown now as a JPEG that is short enough. @param {HTMLVideoElement} video @returns {Promise<string|undefined>} */
async function small(video) {
  const share = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(video.videoWidth * share));
  canvas.height = Math.max(1, Math.round(video.videoHeight * share));
  canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
  for (const quality of [0.6, 0.4, 0.25]) {
    const blob = /** @type {Blob|null} */ (await new Promise((done) => canvas.toBlob(done, "image/jpeg", quality)));
    if (blob && blob.size <= most) return base64(new Uint8Array(await blob.arrayBuffer()));
  }
}
