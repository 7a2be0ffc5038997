// What every page does with scripts: local times, and cards.
import { dress } from "./card.js";

for (const time of document.querySelectorAll("time[datetime]")) {
  time.textContent = new Date(time.dateTime).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}
for (const card of document.querySelectorAll("[data-card]")) dress(card);

if (document.querySelector("[data-ask]")) {
  const { listen } = await import("./ask.js");
  listen();
}
// Whoever drives the page from outside can see that it listens now.
document.documentElement.dataset.scripts = "listening";
