// Everything here works without this file as well. It counts down, keeps a list
// fresh while somebody looks at it, and keeps a form from being sent twice.
"use strict";

(() => {
  const ja = document.documentElement.lang === "ja";
  // The server's clock decides; ours may be wrong by minutes.
  const served = Date.parse(document.querySelector("[data-now]")?.dataset.now ?? "");
  const skew = Number.isNaN(served) ? 0 : served - Date.now();

  const left = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    const two = String(s % 60).padStart(2, "0");
    if (d) return ja ? `${d}日${h}時間` : `${d} d ${h} h`;
    if (h) return ja ? `${h}時間${m}分` : `${h} h ${m} min`;
    if (m) return ja ? `${m}分${two}秒` : `${m} min ${two} s`;
    return ja ? `${s}秒` : `${s} s`;
  };

  const tick = () => {
    for (const el of document.querySelectorAll("time[data-left]")) {
      el.textContent = left(Date.parse(el.dateTime) - (Date.now() + skew));
    }
  };
  tick();
  setInterval(tick, 1000);

  // Fetches the page again and takes over the part marked data-fresh, unless
  // somebody is choosing or typing in it.
  const busy = (part) =>
    part.contains(document.activeElement) && document.activeElement.matches("input, textarea, select") ||
    part.querySelector("input:checked, details[open]") !== null;

  const refresh = async () => {
    const part = document.querySelector("[data-fresh]");
    if (!part || document.hidden || busy(part)) return;
    try {
      const answer = await fetch(location.href, { headers: { "X-Requested-With": "refresh" }, redirect: "error" });
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-fresh]");
      if (!fresh || busy(part) || fresh.innerHTML === part.innerHTML) return;
      const at = document.activeElement?.id;
      part.replaceWith(fresh);
      if (at) document.getElementById(at)?.focus();
      tick();
    } catch {
      // Offline, or signed out: the page stays as it is and says when it was true.
    }
  };
  if (document.querySelector("[data-fresh]")) {
    setInterval(refresh, 15000);
    document.addEventListener("visibilitychange", refresh);
  }

  // One press is one request. The server decides correctly even so; this spares
  // the second person's page from "already done".
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 5000);
  });
  // Coming back with the browser's own button must not find a form that is dead.
  addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((f) => delete f.dataset.sent));

  // A row of a table leads where its link leads, unless something in it was meant or text is being marked.
  for (const row of document.querySelectorAll("tr[data-href]")) {
    row.classList.add("leads");
    row.addEventListener("click", (event) => {
      if (!event.target.closest("a, label, input, button") && getSelection().isCollapsed) location.href = row.dataset.href;
    });
  }

  // "Select all" appears only where it can work.
  for (const all of document.querySelectorAll("input[data-all]")) {
    all.closest("label").hidden = false;
    all.addEventListener("change", () => {
      for (const box of document.querySelectorAll(`input[name="${all.dataset.all}"]`)) box.checked = all.checked;
    });
  }
})();
