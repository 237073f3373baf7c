// Voice notes: recorded here, sent as files, heard with their shape before the eyes.

import { h, iconButton } from "./dom.js";
import { say } from "./strings.js";

const longest = 60 * 60; // seconds
const bars = 48;

/** Whether a file is a voice note of a kith's. @param {any} a */
export const isVoice = (a) => /^voice-[0-9-]+\.(webm|mp4)$/.test(a.name) && /^(audio|video)\/(webm|mp4)$/.test(a.type);

/**
 * Recorder is the bar shown while something is recorded.
 */
export class Recorder {
  /** @param {(file: File) => void} done @param {(text: string) => void} trouble */
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
    this.recorder = new MediaRecorder(this.stream, { mimeType: kind, audioBitsPerSecond: 32_000 });
    this.recorder.ondataavailable = (e) => parts.push(e.data);
    this.recorder.onstop = () => {
      const end = (kind || "").includes("mp4") ? "mp4" : "webm";
      const name = `voice-${new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-")}.${end}`;
      if (this.wanted) this.done(new File(parts, name, { type: (kind || "").split(";")[0] }));
    };
    this.recorder.start(1000);
    const began = Date.now();
    this.element.hidden = false;
    const context = new AudioContext();
    const ear = context.createAnalyser();
    context.createMediaStreamSource(this.stream).connect(ear);
    const heard = new Uint8Array(ear.fftSize);
    this.timer = setInterval(() => {
      const s = Math.floor((Date.now() - began) / 1000);
      this.clock.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
      ear.getByteTimeDomainData(heard);
      const loud = Math.max(...heard.map((x) => Math.abs(x - 128))) / 128;
      const bar = h("i", null);
      bar.style.blockSize = `${8 + 92 * loud}%`;
      this.shape.append(bar);
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

/**
 * player plays a voice note: its shape to click on, time, and how fast.
 * @param {string} src @param {string} name
 */
export function player(src, name) {
  const audio = h("audio", { src, preload: "metadata" });
  const shape = h("button", { type: "button", class: "shape", "aria-label": say.position });
  const time = h("span", { class: "clock" });
  const play = iconButton("play", say.play, () => (audio.paused ? audio.play() : audio.pause()), { class: "icon-button send" });
  const speeds = [1, 1.5, 2];
  const speed = h("button", { type: "button", class: "speed", "aria-label": say.speed, onclick: () => {
    // Loading begins with the default again.
    audio.defaultPlaybackRate = audio.playbackRate = speeds[(speeds.indexOf(audio.playbackRate) + 1) % speeds.length];
    speed.textContent = `${audio.playbackRate}×`;
  } }, "1×");
  let length = 0;
  const show = () => {
    const share = length ? audio.currentTime / length : 0;
    [...shape.children].forEach((b, i) => b.classList.toggle("heard", i / bars < share));
    const s = Math.round(audio.currentTime || length);
    time.textContent = `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`;
  };
  audio.ontimeupdate = show;
  audio.onplay = audio.onpause = audio.onended = () => play.classList.toggle("playing", !audio.paused);
  shape.onclick = (e) => {
    const box = shape.getBoundingClientRect();
    if (length) audio.currentTime = (length * (e.clientX - box.left)) / box.width;
  };
  // The shape is of the sound itself; what was recorded in a browser does not say how
  // long it is, either.
  const look = new IntersectionObserver(async (seen) => {
    if (!seen.some((s) => s.isIntersecting)) return;
    look.disconnect();
    try {
      const sound = await new OfflineAudioContext(1, 1, 48_000).decodeAudioData(await (await fetch(src)).arrayBuffer());
      length = sound.duration;
      const wave = sound.getChannelData(0);
      const peaks = Array.from({ length: bars }, (_, i) => {
        let most = 0;
        const from = Math.floor((i * wave.length) / bars), to = Math.floor(((i + 1) * wave.length) / bars);
        for (let k = from; k < to; k += 16) most = Math.max(most, Math.abs(wave[k]));
        return most;
      });
      const top = Math.max(...peaks, 0.01);
      shape.replaceChildren(...peaks.map((p) => {
        const bar = h("i", null);
        bar.style.blockSize = `${8 + (92 * p) / top}%`;
        return bar;
      }));
      show();
    } catch {
      // It can be heard without its shape.
    }
  });
  look.observe(shape);
  return h("div", { class: "voice", role: "group", "aria-label": name }, play, shape, time, speed, audio);
}
