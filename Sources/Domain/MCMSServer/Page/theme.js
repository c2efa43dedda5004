"use strict";
// The one script that runs before anything is painted: sets the theme that this browser keeps, so that no page flashes in the other one,
// and tells browsers that are too old for the rest.
{
  const kept = localStorage.getItem("mcms.theme");
  if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  const isNew = "noModule" in document.createElement("script") && CSS.supports("color: light-dark(#000, #fff)") && CSS.supports("selector(:has(a))");
  if (!isNew) document.documentElement.dataset.old = "";
}
