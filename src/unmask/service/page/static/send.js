// Send one picture and wait for its answer.
import { fill, texts } from "./texts.js";

const TRIES = 4;

export class Refused extends Error {}

// Calls `onProgress(share)` while sending and `onWait(seconds)` before another try; resolves to the
// answer's object, or rejects with `Refused`, whose message is for people.
export async function send(file, { onProgress, onWait }) {
  for (let left = TRIES; ; left -= 1) {
    const { status, body, retryAfter } = await post(file, onProgress);
    if (status === 201 && body?.detections?.length) return body.detections[0];
    const busy = status === 503 || status === 429;
    if (!busy || left <= 1) throw new Refused(body?.detail ?? texts.work.odd);
    const seconds = Math.min(60, retryAfter || 2);
    onWait(seconds);
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

// Not fetch: it does not tell how much of a body has gone out.
function post(file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", "/v1/detections");
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
