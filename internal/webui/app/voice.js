// Voice notes: recorded here, sent as files, heard with their shape before the eyes.

import { clockOf, h, iconButton } from "./dom.js";
import { base64 } from "./previews.js";
import { say } from "./strings.js";
import { bytesOfBase64 } from "./thumbhash.js";

const longest = 60 * 60; // seconds
const bars = 48;
const decodable = 1 << 20; // bytes of sound that is decoded to see its shape; an hour would take half a gigabyte

/** Whether a file is a voice note of a kith's. @param {any} a */
export const isVoice = (a) => /^voice-[0-9-]+\.(webm|mp4)$/.test(a.name) && /^(audio|video)\/(webm|mp4)$/.test(a.type);

/**
 * Recorder is the bar shown while something is recorded.
 */
export class Recorder {
  /** @param {(file: File, preview: import("./previews.js").Preview) => void} done @param {(text: string) => void} trouble */
  constructor(done, trouble) {
    this.done = done;
    this.trouble = trouble;
    this.clock = h("time", { class: "clock", role: "timer" }, "0:00");
    this.shape = h("div", { class: "shape", "aria-hidden": "true" });
    this.element = h("div", { class: "recorder", hidden: true }, h("span", { class: "red", "aria-hidden": "true" }), this.clock, this.shape,
      iconButton("close", say.cancel, () => this.stop(false)), iconButton("check", say.finish, () => this.stop(true), { class: "icon-button send" }));
  }

  async start() {
    if (this.recorder) return;
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch {
      return this.trouble(say.noMicrophone);
    }
    const kind = ["audio/webm;codecs=opus", "audio/mp4"].find((k) => MediaRecorder.isTypeSupported(k));
    /** @type {Blob[]} */ const parts = [];
    /** @type {number[]} */ const loudness = [];
    const began = Date.now();
    this.recorder = new MediaRecorder(this.stream, { mimeType: kind, audioBitsPerSecond: 32_000 });
    this.recorder.ondataavailable = (e) => parts.push(e.data);
    this.recorder.onstop = () => {
      const end = (kind || "").includes("mp4") ? "mp4" : "webm";
      const name = `voice-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${end}`;
      const preview = { durationMs: String(Date.now() - began), waveform: base64(waveform(loudness)) };
      if (this.wanted) this.done(new File(parts, name, { type: (kind || "").split(";")[0] }), preview);
    };
    this.recorder.start(1000);
    this.element.hidden = false;
    const context = new AudioContext();
    const ear = context.createAnalyser();
    context.createMediaStreamSource(this.stream).connect(ear);
    const heard = new Uint8Array(ear.fftSize);
    this.timer = setInterval(() => {
      const s = Math.floor((Date.now() - began) / 1000);
      this.clock.textContent = clockOf(s);
      ear.getByteTimeDomainData(heard);
      const loud = Math.max(...heard.map((x) => Math.abs(x - 128))) / 128;
      loudness.push(loud);
      this.shape.append(barOf(loud));
      if (this.shape.childElementCount > bars) this.shape.firstElementChild?.remove();
      if (s >= longest) this.stop(true);
    }, 120);
    this.end = () => context.close();
  }

  /** @param {boolean} wanted */
  stop(wanted) {
    if (!this.recorder) return;
    this.wanted = wanted;
    clearInterval(this.timer);
    this.recorder.stop();
    this.stream?.getTracks().forEach((t) => t.stop());
    this.end?.();
    this.recorder = undefined;
    this.shape.replaceChildren();
    this.element.hidden = true;
  }
}

/** @param {number} share */
function barOf(share) {
  const bar = h("i", null);
  bar.style.blockSize = `${8 + 92 * share}%`;
  return bar;
}

/** As many parts as are shown, of any number, each 0 to 255. @param {number[]} loudness */
function waveform(loudness) {
  const top = Math.max(...loudness, 0.01);
  return Uint8Array.from({ length: bars }, (_, i) => {
    const from = Math.floor((i * loudness.length) / bars);
    const part = loudness.slice(from, Math.max(from + 1, Math.floor(((i + 1) * loudness.length) / bars)));
    return (255 * Math.max(...part, 0)) / top;
  });
}

/**
 * player plays a voice note: its shape to click on, time, and how fast. Shape and
 * length are those its sender tells, until it is played.
 * @param {string} src @param {any} a
 */
export function player(src, a) {
  const audio = h("audio", { preload: "none", src });
  const shape = h("button", { type: "button", class: "shape", "aria-label": say.position });
  const time = h("span", { class: "clock" });
  const play = iconButton("play", say.play, () => (audio.paused ? audio.play() : audio.pause()), { class: "icon-button send" });
  const speeds = [1, 1.5, 2];
  const speed = h("button", { type: "button", class: "speed", "aria-label": say.speed, onclick: () => {
    // Loading begins with the default again.
    audio.defaultPlaybackRate = audio.playbackRate = speeds[(speeds.indexOf(audio.playbackRate) + 1) % speeds.length];
    speed.textContent = `${audio.playbackRate}×`;
  } }, "1×");
  let length = Number(a.preview?.durationMs || 0) / 1000;
  const show = () => {
    const share = length ? audio.currentTime / length : 0;
    [...shape.children].forEach((b, i) => b.classList.toggle("heard", i / bars < share));
    time.textContent = clockOf(Math.round(audio.currentTime || length));
  };
  /** @param {number[]} shares */
  const draw = (shares) => {
    shape.replaceChildren(...shares.map(barOf));
    show();
  };
  audio.ontimeupdate = show;
  audio.onplay = audio.onpause = audio.onended = () => play.classList.toggle("playing", !audio.paused);
  shape.onclick = (e) => {
    const box = shape.getBoundingClientRect();
    if (length) audio.currentTime = (length * (e.clientX - box.left)) / box.width;
  };
  const told = a.preview?.waveform ? bytesOfBase64(a.preview.waveform) : [];
  if (told.length) draw([...told].map((x) => x / 255));
  else if (a.state === "stored" && Number(a.size || 0) <= decodable) hear(src, shape, (long, shares) => {
    length = long;
    draw(shares);
  });
  return h("div", { class: "voice", role: "group", "aria-label": a.name }, play, shape, time, speed, audio);
}

/**
 * hear decodes sound that is about to be seen, and tells how long and how loud it is.
 * @param {string} src @param {Element} at @param {(length: number, shares: number[]) => void} tell
 */
function hear(src, at, tell) {
  const look = new IntersectionObserver(async (seen) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    look.disconnect();
    try {
      const sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await (await fetch(src)).arrayBuffer());
      const wave = sound.getChannelData(0);
      const peaks = Array.from({ length: bars }, (_, i) => {
        let most = 0;
        const from = Math.floor((i * wave.length) / bars), to = Math.floor(((i + 1) * wave.length) / bars);
        for (let k = from; k < to; k += 16) most = Math.max(most, Math.abs(wave[k]));
        return most;
      });
      const top = Math.max(...peaks, 0.01);
      tell(sound.duration, peaks.map((p) => p / top));
    } catch {
      // It can be heard without its shape.
    }
  });
  look.observe(at);
}
