// What every page does with scripts: the colour switch, local times, and cards.
import { dress } from "./card.js";

const root = document.documentElement;

function dark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

const button = document.querySelector("[data-theme-switch]");
button.setAttribute("aria-pressed", String(dark()));
button.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  button.setAttribute("aria-pressed", String(dark()));
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Then it holds for this page alone.
  }
});

for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
for (const card of document.querySelectorAll("[data-card]")) dress(card);

if (document.querySelector("[data-ask]")) {
  const { listen } = await import("./ask.js");
  listen();
}
