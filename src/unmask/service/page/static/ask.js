// Choose, drop, paste or photograph pictures and videos; each gets a card at once and its answer in time.
import { dress, showMoments, showPicture, showVideo } from "./card.js";
import { Refused, moves, send, tooLarge } from "./send.js";
import { fill, texts } from "./texts.js";

const AT_A_TIME = 2;
const form = document.querySelector("[data-ask]");
const results = document.querySelector("[data-results]");
const speech = document.querySelector("[data-speech]");
const waiting = [];
let running = 0;

export function listen() {
  for (const input of form.querySelectorAll("input[type=file]")) {
    const takeChosen = () => {
      if (input.files.length) take(input.files);
      input.value = "";
    };
    input.addEventListener("change", takeChosen);
    // Somebody may have been faster than this script.
    takeChosen();
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  listenForDrops();
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) {
      event.preventDefault();
      take(event.clipboardData.files);
    }
  });
}

function listenForDrops() {
  let depth = 0;
  const mark = (change) => {
    depth = Math.max(0, change === null ? 0 : depth + change);
    form.classList.toggle("ask--over", depth > 0);
  };
  addEventListener("dragenter", (event) => {
    event.preventDefault();
    mark(1);
  });
  addEventListener("dragleave", () => mark(-1));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(null);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else speech.textContent = texts.work.nothing;
  });
}

function take(files) {
  const cards = [...files].map(newCard);
  results.prepend(...cards.map((job) => job.card));
  results.closest("section").hidden = false;
  waiting.push(...cards);
  cards[0]?.card.scrollIntoView({ block: "nearest" });
  next();
}

function newCard(file) {
  const card = document.querySelector("[data-work]").content.cloneNode(true).firstElementChild;
  const url = URL.createObjectURL(file);
  const film = file.type.startsWith("video/");
  const preview = document.createElement(film ? "video" : "img");
  if (film) preview.muted = true;
  else preview.alt = "";
  preview.src = url;
  preview.addEventListener("error", () => preview.remove());
  card.querySelector(".work__picture").append(preview);
  card.querySelector("[data-name]").textContent = file.name || "picture";
  card.querySelector("progress").setAttribute("aria-label", file.name || "picture");
  return { file, card, url };
}

function next() {
  while (running < AT_A_TIME && waiting.length) {
    running += 1;
    answer(waiting.shift()).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function answer(job) {
  const { file, card, url } = job;
  const state = card.querySelector("[data-state]");
  const progress = card.querySelector("progress");
  try {
    const film = "videoMegabytes" in form.dataset && (await moves(file));
    const most = film ? form.dataset.videoMegabytes : form.dataset.megabytes;
    const refusal = tooLarge(file, Number(most));
    if (refusal) throw new Refused(refusal);
    const detection = await send(file, film ? "/v1/videos" : "/v1/detections", {
      onProgress(share) {
        progress.value = share;
        const sent = share >= 1;
        card.classList.toggle("work--looking", sent);
        if (sent) progress.removeAttribute("value");
        state.textContent = sent
          ? texts.work[film ? "watching" : "looking"]
          : fill(texts.work.sending, { percent: Math.round(100 * share) });
      },
      onWait(seconds) {
        card.classList.remove("work--looking");
        state.textContent = fill(texts.work.again, { seconds });
      },
    });
    await show(detection, job);
  } catch (error) {
    if (!(error instanceof Refused)) console.error(error);
    fail(job, error instanceof Refused ? error.message : texts.work.offline);
  }
}

// The server draws the card, so that it looks the same with and without scripts.
async function show(detection, { file, card, url }) {
  const response = await fetch(`${detection.links.page}?part=card`);
  if (!response.ok) throw new Refused(texts.work.odd);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = document.importNode(page.querySelector("[data-card]"), true);
  if (detection.timeline) {
    showMoments(fresh, detection.moments);
    if (file.type.startsWith("video/")) showVideo(fresh, url);
    else showPicture(fresh, url);
  } else showPicture(fresh, url);
  dress(fresh);
  const focused = card.contains(document.activeElement);
  card.replaceWith(fresh);
  const headline = fresh.querySelector("h2");
  if (focused) headline.focus();
  speech.textContent = fill(texts.work.done, {
    name: detection.name,
    headline: headline.textContent.trim(),
  });
}

function fail(job, sentence) {
  const { card } = job;
  card.classList.remove("work--looking");
  card.classList.add("work--failed");
  card.querySelector("progress").remove();
  const state = card.querySelector("[data-state]");
  state.textContent = sentence;
  speech.textContent = `${card.querySelector("[data-name]").textContent}: ${sentence}`;
  const buttons = card.querySelector("[data-after]");
  buttons.hidden = false;
  buttons.querySelector("[data-dismiss]").addEventListener("click", () => {
    URL.revokeObjectURL(job.url);
    card.remove();
    form.querySelector("input").focus();
  });
  buttons.querySelector("[data-retry]").addEventListener("click", () => {
    URL.revokeObjectURL(job.url);
    const again = newCard(job.file);
    card.replaceWith(again.card);
    waiting.push(again);
    next();
  });
}
