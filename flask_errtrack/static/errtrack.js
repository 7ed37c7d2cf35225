// Comfort only: every page and every action works without this file.
(() => {
  "use strict";

  const copiedFor = 1500;

  async function textOf(button) {
    const { copy, copyText, copyFrom } = button.dataset;
    if (copyText) return copyText;
    if (copy) return document.getElementById(copy).textContent;
    const response = await fetch(copyFrom);
    if (!response.ok) throw new Error(response.statusText);
    return response.text();
  }

  async function copy(button) {
    const label = button.textContent;
    try {
      await navigator.clipboard.writeText(await textOf(button));
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not copied";
    }
    setTimeout(() => { button.textContent = label; }, copiedFor);
  }

  // Browsers give the clipboard only to pages of HTTPS and of this machine.
  if (navigator.clipboard) {
    for (const button of document.querySelectorAll("button.copy")) {
      button.hidden = false;
      button.addEventListener("click", () => copy(button));
    }
  }

  for (const menu of document.querySelectorAll("details.menu")) {
    menu.addEventListener("focusout", (event) => {
      // A press on a label moves the focus to what is around the menu.
      const to = event.relatedTarget;
      if (to && !menu.contains(to) && !to.contains(menu)) menu.open = false;
    });
    menu.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  }

  document.addEventListener("pointerdown", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  // A reload must not say again what has been done.
  const address = new URL(location);
  if (address.searchParams.has("done")) {
    address.searchParams.delete("done");
    history.replaceState(null, "", address);
  }

  const bulk = document.querySelector("#bulk");
  const picks = [...document.querySelectorAll("input.pick")];

  function showBulk() {
    const ticked = picks.filter((pick) => pick.checked).length;
    bulk.hidden = !ticked;
    bulk.querySelector(".count").textContent = `${ticked} ticked:`;
    bulk.querySelector(".all").hidden = ticked === picks.length;
  }

  function tickAll() {
    for (const pick of picks) pick.checked = true;
    showBulk();
  }

  if (bulk) {
    showBulk();
    bulk.querySelector(".all").addEventListener("click", tickAll);
    for (const pick of picks) pick.addEventListener("change", showBulk);
    // What was ticked is still ticked after a way back.
    window.addEventListener("pageshow", showBulk);
  }

  const links = [...document.querySelectorAll(".issue h2 a")];
  const keys = document.querySelector(".keys");
  if (keys) keys.hidden = false;

  function move(step) {
    if (!links.length) {
      const rel = step > 0 ? "next" : "prev";
      document.querySelector(`a[rel~="${rel}"]`)?.click();
      return;
    }
    const here = document.activeElement.closest(".issue");
    const place = links.findIndex((link) => link.closest(".issue") === here);
    const wanted = place < 0 ? (step > 0 ? 0 : links.length - 1) : place + step;
    links[wanted]?.focus();
  }

  function changeStatus() {
    const scope = document.activeElement.closest(".issue");
    const button = scope
      ? scope.querySelector("form button")
      : document.querySelector(".actions button");
    button?.click();
  }

  function tick() {
    document.activeElement.closest(".issue")?.querySelector("input.pick")?.click();
  }

  const actions = { j: () => move(1), k: () => move(-1), e: changeStatus, x: tick };

  document.addEventListener("keydown", (event) => {
    const isShortcut = event.ctrlKey || event.metaKey || event.altKey;
    if (isShortcut || event.target.closest("input:not(.pick), textarea, select")) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
})();
