// Send one picture or video and wait for its answer.
import { fill, texts } from "./texts.js";

const TRIES = 4;

export class Refused extends Error {}

// Calls `onProgress(share)` while sending and `onWait(seconds)` before another try; resolves to the
// answer's object, or rejects with `Refused`, whose message is for people.
export async function send(file, place, { onProgress, onWait }) {
  for (let left = TRIES; ; left -= 1) {
    const { status, body, retryAfter } = await post(file, place, onProgress);
    // A video's answer comes by itself, those of pictures in a list.
    if (status === 201 && body?.id) return body;
    if (status === 201 && body?.detections?.length) return body.detections[0];
    const busy = status === 503 || status === 429;
    if (!busy || left <= 1) throw new Refused(body?.detail ?? texts.work.odd);
    const seconds = Math.min(60, retryAfter || 2);
    onWait(seconds);
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

// Not fetch: it does not tell how much of a body has gone out.
function post(file, place, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", place);
    request.responseType = "text";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.upload.addEventListener("load", () => onProgress(1));
    request.addEventListener("error", () => reject(new Refused(texts.work.offline)));
    request.addEventListener("load", () => {
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // Something between us and the service answered.
      }
      const retryAfter = Number(request.getResponseHeader("Retry-After"));
      resolve({ status: request.status, body, retryAfter });
    });
    const form = new FormData();
    form.append("file", file, file.name || "picture");
    request.send(form);
  });
}

export function tooLarge(file, megabytes) {
  return file.size > megabytes * 2 ** 20 ? fill(texts.work.too_large, { mb: megabytes }) : null;
}

// Whether a file moves: a video, or a picture in several frames, told by its first bytes.
export async function moves(file) {
  if (file.type.startsWith("video/") || /\.(mp4|m4v|mov|webm|mkv|avi)$/i.test(file.name)) return true;
  if (!/^image\/(gif|webp|png|apng)$/.test(file.type)) return false;
  const head = new TextDecoder("latin1").decode(await file.slice(0, 65536).arrayBuffer());
  return head.startsWith("GIF8") ? head.includes("NETSCAPE2.0") : /acTL|ANIM/.test(head);
}
