// What the parts of the page share: numbers, times and elements. Text from outside becomes text, never markup.

const number = (digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits });
const [whole, tenths] = [number(0), number(1)];
const paris = (options) => {
  const format = new Intl.DateTimeFormat("en-GB", { timeZone: "Europe/Paris", hourCycle: "h23", ...options });
  return (time) => format.format(new Date(time));
};

export const clock = paris({ timeStyle: "medium" });
export const hour = paris({ hour: "2-digit", minute: "2-digit" });
export const date = paris({ day: "numeric", month: "short" });
export const dateAndYear = paris({ day: "numeric", month: "long", year: "numeric" });
export const moment = (time) => `${date(time)}, ${hour(time)}`;

// What is not known is said, and is never zero.
export const count = (value) => (value === null ? "–" : tenths.format(value));
export const total = (value) => (value === null ? "–" : whole.format(value));
export const percent = (share) => (share === null ? "unknown" : `${whole.format(share * 100)} %`);

export const many = (count, what) => `${whole.format(count)} ${what}${count === 1 ? "" : "s"}`;

export function span(seconds) {
  const s = Math.max(Math.round(seconds), 0);
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.round(s / 60)} min`;
  if (s >= 48 * 3600) return `${Math.round(s / 86400)} days`;
  const minutes = Math.round(s / 60);
  return `${Math.floor(minutes / 60)} h${minutes % 60 ? ` ${minutes % 60} min` : ""}`;
}

export function element(kind, attributes, ...children) {
  const made = document.createElement(kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}
