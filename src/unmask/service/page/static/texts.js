// Every word that scripts show comes from the same file as those of the server.
const response = await fetch("/static/texts.en.json");
export const texts = await response.json();

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}
