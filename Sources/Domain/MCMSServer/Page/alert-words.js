// An alert in the reader's language: made of its type and parameters, else in the words that it brings.
import {hasText, text} from "./language.js";

export function alertWords({type, title, message, parameters}) {
  const subject = parameters?.routing ?? parameters?.file;
  const key = "alert." + type;
  if (!subject || !hasText(key)) return {title: title ?? "", message: message ?? ""};
  const details = parameters.missing ? text("missingOf", parameters.missing, parameters.parts) : parameters.reason ?? parameters.message ?? "";
  return {title: text(key, subject), message: details};
}
