// Before anything is drawn: scripts run, and the colours that were chosen last time hold.
const root = document.documentElement;
root.classList.add("js");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
} catch {
  // A browser without storage follows the system's colours.
}

function dark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function tell() {
  document.querySelector("[data-theme-switch]").setAttribute("aria-pressed", String(dark()));
}

document.addEventListener("DOMContentLoaded", tell);
document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  root.dataset.theme = dark() ? "light" : "dark";
  tell();
  try {
    localStorage.setItem("theme", root.dataset.theme);
  } catch {
    // Then it holds for this page alone.
  }
});
