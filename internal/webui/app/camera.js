// Looking for a QR code with the camera: pictures go to the person's own node, which
// reads them; nothing is kept.

import { readQR } from "./api.js";
import { dialog, h, iconButton } from "./dom.js";
import { say } from "./strings.js";

const every = 400; // milliseconds between two pictures
const side = 720; // of a picture, in pixels

/**
 * lookForCode shows what the camera sees until there is a code in it.
 * @param {(text: string) => void} found @param {(text: string) => void} trouble
 */
export async function lookForCode(found, trouble) {
  /** @type {MediaStream} */ let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    return trouble(say.noCamera);
  }
  const video = h("video", { autoplay: true, muted: true, playsInline: true, srcObject: stream });
  const d = dialog(say.useCamera, "sheet", h("header", null, h("h2", null, say.useCamera), iconButton("close", say.close, () => d.close())),
    h("section", null, h("div", { class: "camera" }, video), h("p", null, say.holdCode)));
  let open = true;
  d.addEventListener("close", () => {
    open = false;
    stream.getTracks().forEach((t) => t.stop());
  });
  const canvas = document.createElement("canvas");
  while (open) {
    await new Promise((r) => setTimeout(r, every));
    if (!open || !video.videoWidth) continue;
    const share = Math.min(1, side / Math.max(video.videoWidth, video.videoHeight));
    canvas.width = video.videoWidth * share;
    canvas.height = video.videoHeight * share;
    canvas.getContext("2d")?.drawImage(video, 0, 0, canvas.width, canvas.height);
    const picture = /** @type {Blob|null} */ (await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.8)));
    const text = picture && (await readQR(picture).catch(() => ""));
    if (text && open) {
      d.close();
      found(text);
    }
  }
}
