// Who uses the page, and what they may do.
import {byID} from "./elements.js";

export const session = {me: null, names: new Map(), passwordMin: 10};

export const may = (permission) => session.me?.permissions.includes(permission) ?? false;
// Histories name accounts; people read what they call themselves.
export const personName = (name) => session.names.get(name) ?? name;
// Only a server with pages of its own may say in whose name it acts; anyone else acts in the name of the session.
export const actor = () => (byID("actor-field").hidden ? undefined : byID("actor").value.trim() || undefined);
