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

// Of today the clock, of other days the date too; the log shows seconds.
export function time(value, withSeconds = false) {
  const date = new Date(value);
  if (isNaN(date)) return "";
  const clock = {hour: "numeric", minute: "2-digit"};
  if (withSeconds) clock.second = "2-digit";
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(current, isToday ? clock : {month: "short", day: "numeric", ...clock});
}
