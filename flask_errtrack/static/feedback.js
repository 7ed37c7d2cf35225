"use strict";

// Comfort for the feedback form, which works without this file: opens it as a
// modal dialog, and sends it without leaving the page. All words are in the page.
(() => {
  const root = document.getElementById("errtrack-feedback");
  const dialog = root.querySelector(".errtrack-feedback-dialog");
  const form = root.querySelector(".errtrack-feedback-form");
  const fields = root.querySelector(".errtrack-feedback-fields");
  const status = root.querySelector(".errtrack-feedback-status");
  const sendButton = root.querySelector(".errtrack-feedback-send");
  const closeButton = root.querySelector(".errtrack-feedback-close");
  const openButton = root.querySelector(".errtrack-feedback-open");
  const timeoutMilliseconds = 20000;
  let isSending = false;

  if (!dialog.showModal || !AbortSignal.timeout) {
    return; // A browser from before 2022 keeps the plain form.
  }

  // States: "asking", "sending", "failed", "thanks".
  function show(state, message) {
    const isDone = state === "thanks";
    root.dataset.state = state;
    status.textContent = message || status.dataset[state] || "";
    fields.hidden = sendButton.hidden = isDone;
    closeButton.textContent = isDone ? closeButton.dataset.done : closeButton.dataset.later;
    sendButton.setAttribute("aria-disabled", String(state === "sending"));
  }

  function showProblem(field, message) {
    form.elements[field].setAttribute("aria-invalid", "true");
    document.getElementById(`errtrack-feedback-${field}-problem`).textContent = message;
    show("asking");
    form.elements[field].focus();
  }

  function clearProblems() {
    for (const field of ["comments", "email"]) {
      form.elements[field].removeAttribute("aria-invalid");
      document.getElementById(`errtrack-feedback-${field}-problem`).textContent = "";
    }
  }

  function open() {
    if (!dialog.open) {
      dialog.showModal();
    }
    form.elements.comments.focus();
  }

  // Returns {event_id} or {error, field}; {} where the answer is not ours, as
  // when a login page or a proxy answered: then nothing has arrived.
  async function post() {
    try {
      const response = await fetch(form.getAttribute("action"), {
        method: "POST",
        body: new URLSearchParams(new FormData(form)),
        headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(timeoutMilliseconds),
      });
      return (await response.json()) ?? {};
    } catch {
      return {};
    }
  }

  async function send(event) {
    event.preventDefault();
    if (isSending) {
      return;
    }
    isSending = true;
    clearProblems();
    show("sending");
    const answer = await post();
    isSending = false;
    if (answer.event_id) {
      show("thanks");
      closeButton.focus();
      return;
    }
    open();
    if (answer.field) {
      showProblem(answer.field, answer.error);
    } else {
      show("failed", answer.error);
    }
  }

  form.addEventListener("submit", send);
  closeButton.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => openButton.focus());
  openButton.addEventListener("click", () => {
    show("asking");
    open();
  });

  openButton.hidden = false;
  // In the page the dialog is open as a box; a modal has to be opened anew.
  dialog.removeAttribute("open");
  open();
})();
