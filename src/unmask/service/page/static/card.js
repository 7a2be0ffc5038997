// A result's card: the heatmap over the picture, printing, deleting.
import { texts } from "./texts.js";

// Put the picture that the browser has itself where the server had only its outline.
export function showPicture(card, url) {
  const stage = card.querySelector(".stage");
  if (stage.querySelector("[data-picture]")) return;
  const image = new Image();
  image.dataset.picture = "";
  image.className = "stage__picture";
  image.alt = stage.dataset.alt ?? "";
  image.addEventListener("load", () => {
    stage.querySelector("[data-outline]")?.remove();
    stage.prepend(image);
  });
  image.src = url;
}

// The same for a video, where this browser can play it.
export function showVideo(card, url) {
  const stage = card.querySelector(".stage");
  const video = document.createElement("video");
  video.dataset.picture = "";
  video.className = "stage__picture";
  video.controls = true;
  video.muted = true;
  video.addEventListener("loadeddata", () => {
    stage.querySelector("[data-outline]")?.remove();
    stage.prepend(video);
  });
  video.src = url;
}

// Small pictures of moments come with the answer to the upload and are not kept by the service.
export function showMoments(card, moments) {
  for (const image of card.querySelectorAll("[data-moment]")) {
    const { picture } = moments[Number(image.dataset.moment)];
    if (!picture) continue;
    image.src = `data:image/jpeg;base64,${picture}`;
    image.hidden = false;
  }
}

export function dress(card) {
  const heat = card.querySelector("[data-heat]");
  const strength = card.querySelector("[data-strength]");
  if (heat) {
    for (const choice of card.querySelectorAll("[data-head]")) {
      choice.addEventListener("change", () => lay(card, heat, choice.dataset.head));
      if (choice.checked) lay(card, heat, choice.dataset.head);
    }
    const set = () => {
      heat.style.opacity = strength.value / 100;
      strength.setAttribute("aria-valuetext", `${strength.value} %`);
    };
    strength.addEventListener("input", set);
    set();
  }
  card.querySelector("[data-print]")?.addEventListener("click", () => printAlone(card));
  const remove = card.querySelector("[data-delete]");
  remove?.addEventListener("submit", (event) => {
    event.preventDefault();
    deleteCard(card, remove);
  });
}

function lay(card, heat, head) {
  card.querySelector("[data-strength]").disabled = head === "none";
  for (const legend of card.querySelectorAll("[data-legend]")) {
    legend.hidden = legend.dataset.legend !== head;
  }
  heat.hidden = head === "none";
  if (head === "none") return;
  const source = `${heat.dataset.source}?head=${head}`;
  if (heat.getAttribute("src") !== source) heat.src = source;
}

function printAlone(card) {
  card.classList.add("printing");
  document.body.classList.add("printing-one");
  for (const details of card.querySelectorAll("details")) details.open = true;
  addEventListener(
    "afterprint",
    () => {
      card.classList.remove("printing");
      document.body.classList.remove("printing-one");
    },
    { once: true },
  );
  print();
}

async function deleteCard(card, form) {
  const response = await fetch(`/v1/detections/${card.dataset.card}`, { method: "DELETE" });
  const gone = response.ok || response.status === 404;
  const speech = document.querySelector("[data-speech]");
  if (!gone) {
    form.submit();
  } else if (document.querySelector("[data-ask]")) {
    card.remove();
    if (speech) speech.textContent = texts.card.deleted;
    document.querySelector("[data-ask] input").focus();
  } else {
    location.assign("/history");
  }
}
