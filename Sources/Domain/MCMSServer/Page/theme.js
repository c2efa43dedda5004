"use strict";
// The one script that runs before anything is painted: sets the theme that this browser keeps, so that no page flashes in the other one.
{
  const kept = localStorage.getItem("mcms.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
}
