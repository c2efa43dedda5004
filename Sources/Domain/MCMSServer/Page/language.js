// The language of the page, and its texts.
import en from "./strings-en.js";
import ko from "./strings-ko.js";

const STRINGS = {en, ko};
let current = chosen();

function chosen() {
  const kept = localStorage.getItem("mcms.language");
  if (kept in STRINGS) return kept;
  return (navigator.languages || [navigator.language]).some((one) => one.toLowerCase().startsWith("ko")) ? "ko" : "en";
}

export const language = () => current;

export function toggleLanguage() {
  current = current === "ko" ? "en" : "ko";
  localStorage.setItem("mcms.language", current);
}

export function text(key, ...values) {
  const found = STRINGS[current][key] ?? key;
  return found.replace(/\{(\d)\}/g, (_, index) => values[index] ?? "");
}

export const hasText = (key) => key in STRINGS[current];

// Of today the clock, as the server writes it, of other days the date too; the log shows seconds.
export function time(value, withSeconds = false) {
  const date = new Date(value);
  if (isNaN(date)) return "";
  const clock = {hour: "2-digit", minute: "2-digit", hourCycle: "h23"};
  if (withSeconds) clock.second = "2-digit";
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(current, isToday ? clock : {month: "short", day: "numeric", ...clock});
}

export const count = (value) => new Intl.NumberFormat(current).format(value);
export const rate = (value) => (value === undefined || value === null ? "–" : new Intl.NumberFormat(current, {maximumFractionDigits: value < 10 ? 1 : 0}).format(value));

// The two greatest units: 12 s, 3 min 10 s, 2 h 5 min, 4 d.
export function duration(seconds) {
  const whole = Math.round(seconds);
  const units = [["days", 86400], ["hours", 3600], ["minutes", 60], ["seconds", 1]];
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return text("seconds", seconds > 0 ? seconds.toFixed(1) : "0");
  let left = whole;
  return units.slice(first, first + 2).map(([key, size]) => {
    const value = Math.floor(left / size);
    left -= value * size;
    return value ? text(key, value) : null;
  }).filter(Boolean).join(" ");
}

export function bytes(number) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = number, unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return `${unit === 0 ? value : value.toFixed(value >= 100 ? 0 : 1)} ${units[unit]}`;
}
