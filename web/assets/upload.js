// Hands files in, piece by piece (the tus protocol, version 1.0). A line that breaks costs the piece on its way: the
// server says where to go on, also days later when the same file is chosen again in the same browser.
"use strict";

(() => {
  const room = document.querySelector("[data-folder]");
  if (!room) return;
  const path = room.dataset.folder, most = Number(room.dataset.most);
  const types = room.dataset.types.split(" ").filter(Boolean);
  const taken = (name) => !types.length || types.includes(name.split(".").slice(1).pop()?.toLowerCase());
  const list = room.querySelector(".uploads"), words = list.dataset;
  const drop = room.querySelector(".drop"), chooser = room.querySelector("#files"), done = room.querySelector("[data-done]");
  const piece = 8 * 1024 * 1024, pauses = [1000, 2000, 5000, 10000, 20000, 30000];
  drop.hidden = false;

  const headers = (more) => ({ "Tus-Resumable": "1.0.0", ...more });
  const sleep = (ms) => new Promise((wake) => setTimeout(wake, ms));
  const base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  const known = (file) => "sekisho-upload " + path + " " + file.name + " " + file.size + " " + file.lastModified;
  const size = (n) => {
    const units = ["B", "KB", "MB", "GB"];
    let i = 0;
    while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
    return (i ? n.toFixed(n < 10 ? 1 : 0) : n) + " " + units[i];
  };

  // One line of the list for one file.
  const line = (file) => {
    const old = [...list.children].find((li) => li.dataset.state === "arriving" && li.dataset.name === file.name && Number(li.dataset.size) === file.size);
    const li = document.createElement("li");
    const name = document.createElement("span"), bytes = document.createElement("span"), state = document.createElement("span");
    const bar = document.createElement("progress"), stop = document.createElement("button"), top = document.createElement("div");
    name.className = "file-name";
    name.textContent = file.name;
    bytes.className = "number nowrap soft";
    bytes.textContent = " " + size(file.size);
    top.append(name, bytes);
    bar.max = Math.max(1, file.size);
    bar.value = 0;
    bar.setAttribute("aria-label", file.name);
    state.className = "state";
    state.textContent = words.waiting;
    stop.type = "button";
    stop.className = "button";
    stop.textContent = words.stop;
    li.append(top, bar, state, stop);
    if (old) old.replaceWith(li);
    else list.append(li);
    return { li, bar, state, stop };
  };

  class Refusal extends Error {
    constructor(code) { super("refused"); this.code = code; }
  }

  const ask = async (to, init) => {
    const answer = await fetch(to, { ...init, credentials: "same-origin", redirect: "error" });
    if (answer.ok) return answer;
    throw new Refusal(answer.status);
  };

  const begin = async (file) => {
    const answer = await ask(path + "/files", { method: "POST",
      headers: headers({ "Upload-Length": String(file.size), "Upload-Metadata": "filename " + base64(file.name) }) });
    const at = answer.headers.get("Location");
    try { localStorage.setItem(known(file), at); } catch { /* private window: no going on after a reload */ }
    return at;
  };

  const offset = async (at) => Number((await ask(at, { method: "HEAD", headers: headers() })).headers.get("Upload-Offset"));

  const find = async (file) => {
    let at = null;
    try { at = localStorage.getItem(known(file)); } catch { /* as above */ }
    if (at && at.startsWith(path + "/")) {
      try { return [at, await offset(at)]; } catch (e) { if (!(e instanceof Refusal)) throw e; }
    }
    return [await begin(file), 0];
  };

  const wordFor = (code) => ({ 410: words.closed, 413: words.full, 415: words.type }[code] ?? words.failed);

  // send goes on until the file is there, somebody stops it, or the server will have none of it.
  const send = async (job) => {
    const { file, row } = job;
    if (!taken(file.name)) return end(row, "ill", words.type);
    if (file.size > most) return end(row, "ill", words.large);
    let at = null, from = 0, failures = 0;
    while (!job.stopped) {
      try {
        if (!at) [at, from] = await find(file);
        job.at = at;
        row.bar.value = from;
        row.state.textContent = Math.floor(100 * from / Math.max(1, file.size)) + "%";
        if (from >= file.size) {
          try { localStorage.removeItem(known(file)); } catch { /* as above */ }
          return end(row, "sent", words.there);
        }
        const answer = await ask(at, { method: "PATCH", body: file.slice(from, from + piece), signal: job.abort.signal,
          headers: headers({ "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" }) });
        from = Number(answer.headers.get("Upload-Offset"));
        failures = 0;
      } catch (e) {
        if (job.stopped) break;
        if (e instanceof Refusal && [403, 404, 410, 413, 415].includes(e.code)) return end(row, "ill", wordFor(e.code));
        row.state.textContent = words.again;
        await sleep(pauses[Math.min(failures++, pauses.length - 1)]);
        if (at) {
          try { from = await offset(at); } catch (gone) { if (gone instanceof Refusal && gone.code !== 429 && gone.code < 500) return end(row, "ill", wordFor(gone.code)); }
        }
      }
    }
    if (job.at) ask(job.at, { method: "DELETE", headers: headers() }).catch(() => {}); // it expires with the folder
    try { localStorage.removeItem(known(file)); } catch { /* as above */ }
    row.li.remove();
  };

  const end = (row, kind, text) => {
    row.state.className = "state " + kind;
    row.state.textContent = text;
    row.bar.hidden = true;
    row.stop.remove();
    if (kind === "sent") done.hidden = false;
  };

  // One file after the other: the line is the same for all of them.
  const jobs = [];
  let busy = false;
  const work = async () => {
    if (busy) return;
    busy = true;
    for (let job; (job = jobs.shift());) {
      if (!job.stopped) await send(job);
    }
    busy = false;
  };

  const take = (files) => {
    for (const file of files) {
      const job = { file, row: line(file), stopped: false, abort: new AbortController(), at: null };
      job.row.stop.addEventListener("click", () => {
        job.stopped = true;
        job.abort.abort();
        if (!busy || jobs.includes(job)) job.row.li.remove();
      });
      jobs.push(job);
    }
    work();
  };

  chooser.addEventListener("change", () => { take([...chooser.files]); chooser.value = ""; });
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const kind of ["dragleave", "drop"]) {
    addEventListener(kind, (event) => { event.preventDefault(); if (kind === "drop" || !event.relatedTarget) drop.classList.remove("over"); });
  }
  addEventListener("drop", (event) => {
    // A folder of the desktop has no bytes of its own: it is passed over.
    const items = [...(event.dataTransfer?.items ?? [])];
    const directories = items.map((item) => item.webkitGetAsEntry?.()?.isDirectory === true);
    take([...(event.dataTransfer?.files ?? [])].filter((_, i) => !directories[i]));
  });
  addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
})();
