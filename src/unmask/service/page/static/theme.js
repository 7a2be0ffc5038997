// Before anything is drawn: scripts run, and the colours that were chosen last time hold.
const root = document.documentElement;
root.classList.add("js");
try {
  const chosen = localStorage.getItem("theme");
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
} catch {
  // A browser without storage follows the system's colours.
}
