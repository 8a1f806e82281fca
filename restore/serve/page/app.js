// The queue of files: add, suggest, restore, watch, cancel, look at, download.

import { show } from "/page/slider.js";

const id = (name) => document.getElementById(name);
const list = id("files");
const rows = [];
const STORED = "restore-jobs";
const UPLOADS = 2;
let models = { heads: [], formats: [], readable: [] };
let stream = null;
let uploading = 0;

const say = (text) => (id("live").textContent = text);

async function json(answer) {
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error || `the server answered ${answer.status}`);
  return told;
}

// Settings

function fillSettings() {
  for (const head of models.heads) id("head").add(new Option(head.name, head.name));
  for (const name of models.formats) id("format").add(new Option(name, name));
  fillQualities();
}

function fillQualities() {
  const head = models.heads.find((one) => one.name === id("head").value);
  const chosen = id("quality").value || "standard";
  id("quality").replaceChildren();
  for (const [name, model] of Object.entries(head.qualities)) {
    const option = new Option(model ? `${name} (${model})` : `${name} (not installed)`, name);
    option.disabled = !model;
    option.selected = Boolean(model) && name === chosen;
    id("quality").add(option);
  }
  if (!id("quality").value) id("quality").value = "standard";
  id("summary").textContent = head.summary;
}

const settings = () => Object.fromEntries(new FormData(id("settings")));

id("head").addEventListener("change", fillQualities);
id("strength").addEventListener("input", () => {
  id("strength-value").textContent = Number(id("strength").value).toFixed(2);
});
id("settings").addEventListener("submit", (event) => event.preventDefault());

// Rows

function addRow(name, file = null, folder = "") {
  const li = id("row").content.firstElementChild.cloneNode(true);
  const row = { name, file, folder, li, state: "ready", job: null, head: null, request: null };
  const part = (selector) => li.querySelector(selector);
  part(".name").textContent = name;
  part(".cancel").addEventListener("click", () => cancel(row));
  part(".remove").addEventListener("click", () => remove(row));
  part(".again").addEventListener("click", () => again(row));
  part(".suggest").addEventListener("click", () => suggest(row));
  part(".open").addEventListener("click", () => look(row));
  for (const button of li.querySelectorAll("button, .download")) {
    button.setAttribute("aria-label", `${button.textContent || "Compare before and after"}: ${name}`);
  }
  rows.push(row);
  list.append(li);
  update(row, "ready", "ready");
  return row;
}

const ACTIVE = ["queued", "held", "uploading", "waiting", "running"];

function update(row, state, text, done = 0, total = 0) {
  row.state = state;
  const part = (selector) => row.li.querySelector(selector);
  row.li.className = `file ${state}`;
  row.li.dataset.state = state;
  part(".state").textContent = text;
  const bar = part("progress");
  bar.hidden = !["uploading", "running"].includes(state);
  if (total) bar.value = done / total;
  else bar.removeAttribute("value");
  bar.setAttribute("aria-label", `${row.name}: ${text}`);
  part(".cancel").hidden = !ACTIVE.includes(state);
  part(".remove").hidden = ACTIVE.includes(state);
  part(".again").hidden = !row.file || !["done", "failed", "cancelled"].includes(state);
  part(".suggest").hidden = !row.file || ACTIVE.includes(state);
  const download = part(".download");
  download.hidden = state !== "done";
  if (state === "done") download.href = `/api/jobs/${row.job}/result`;
  tally();
}

function tally() {
  const count = (...states) => rows.filter((row) => states.includes(row.state)).length;
  const parts = [
    [count("ready"), "ready"],
    [count(...ACTIVE), "in the queue"],
    [count("done"), "done"],
    [count("failed"), "failed"],
  ];
  const shown = parts.filter(([n]) => n).map(([n, word]) => `${n} ${word}`).join(", ");
  id("tally").textContent = shown || "none yet";
  id("clear").disabled = !rows.length;
  const ready = count("ready");
  id("start").disabled = !ready;
  id("start").textContent = ready > 1 ? `Restore ${ready} files` : "Restore";
  const done = rows.filter((row) => row.state === "done");
  const all = id("all");
  all.setAttribute("aria-disabled", String(!done.length));
  if (done.length) all.href = `/api/zip?${done.map((row) => `job=${row.job}`).join("&")}`;
  else all.removeAttribute("href");
  const kept = rows.filter((row) => row.job).map((row) => [row.job, row.name]);
  sessionStorage.setItem(STORED, JSON.stringify(kept));
}

// Work

function start() {
  for (const row of rows) {
    if (row.state === "ready") update(row, "queued", "waiting to be uploaded");
  }
  pump();
}

function pump() {
  while (uploading < UPLOADS) {
    const row = rows.find((one) => one.state === "queued");
    if (!row) return;
    upload(row);
  }
}

function upload(row) {
  const form = new FormData();
  for (const [name, value] of Object.entries(settings())) form.append(name, value);
  if (row.head) {
    form.set("head", row.head);
    const head = models.heads.find((one) => one.name === row.head);
    if (!head.qualities[form.get("quality")]) form.delete("quality");
  }
  if (row.file.type.startsWith("video/")) {
    for (const name of ["bit_depth", "encode_quality"]) form.delete(name); // of pictures only
  }
  form.append("folder", row.folder);
  form.append("file", row.file, row.file.name);
  const request = new XMLHttpRequest();
  row.request = request;
  uploading += 1;
  update(row, "uploading", "uploading");
  request.upload.onprogress = (event) => {
    if (row.state === "uploading") update(row, "uploading", "uploading", event.loaded, event.total);
  };
  request.onloadend = () => {
    uploading -= 1;
    row.request = null;
    received(row, request);
    pump();
  };
  request.responseType = "json";
  request.open("POST", "/api/jobs");
  request.send(form);
}

function received(row, request) {
  if (row.state !== "uploading") return; // cancelled
  if (request.status === 202) {
    row.job = request.response.id;
    told(row, request.response);
    watch();
  } else if (request.status === 503) {
    update(row, "held", "the queue is full; waiting for a place");
    setTimeout(() => {
      if (row.state === "held") update(row, "queued", "waiting to be uploaded");
      pump();
    }, 3000);
  } else {
    const reason = request.response?.error || "the server cannot be reached";
    update(row, "failed", reason);
    say(`${row.name}: ${reason}`);
  }
}

function told(row, job) {
  const part = job.total ? `, ${Math.floor((100 * job.done) / job.total)} %` : "";
  const texts = {
    waiting: job.position ? `waiting, ${job.position} before it` : "waiting",
    running: `${job.head}: working${part}, ${job.elapsed} s${job.message ? `; ${job.message}` : ""}`,
    cancelled: "cancelled",
    failed: job.error,
    gone: "no longer kept by the server",
  };
  const state = job.state === "gone" ? "failed" : job.state;
  if (state === "done") {
    const notes = job.notes.length ? `; ${job.notes.join("; ")}` : "";
    const size = job.width ? `${job.width} x ${job.height}, ` : "";
    row.hasView = job.has_view;
    update(row, state, `${job.head}, ${job.model}: ${size}${job.seconds.toFixed(1)} s${notes}`);
    thumbnail(row);
  } else {
    update(row, state, texts[job.state], job.done, job.total);
  }
  if (["done", "failed"].includes(state)) say(`${row.name}: ${state}`);
}

function watch() {
  stream?.close();
  const active = rows.filter((row) => row.job && ACTIVE.includes(row.state));
  if (!active.length) return;
  stream = new EventSource(`/api/events?${active.map((row) => `job=${row.job}`).join("&")}`);
  stream.addEventListener("job", (event) => {
    const job = JSON.parse(event.data);
    const row = rows.find((one) => one.job === job.id);
    if (row && ACTIVE.includes(row.state)) told(row, job);
  });
  stream.addEventListener("end", () => stream.close());
}

async function drop(row) {
  row.request?.abort();
  if (row.job) await fetch(`/api/jobs/${row.job}`, { method: "DELETE" }).catch(() => {});
  row.job = null;
}

async function cancel(row) {
  update(row, "cancelled", "cancelled");
  say(`${row.name}: cancelled`);
  await drop(row);
  tally();
}

function again(row) {
  drop(row);
  row.head = null;
  row.li.querySelector(".open").hidden = true;
  update(row, "queued", "waiting to be uploaded");
  pump();
}

function remove(row) {
  drop(row);
  rows.splice(rows.indexOf(row), 1);
  row.li.remove();
  tally();
  list.focus();
}

async function suggest(row) {
  const form = new FormData();
  form.append("file", row.file, row.name);
  const before = row.state;
  row.li.querySelector(".state").textContent = "looking for faults";
  try {
    const found = await json(await fetch("/api/inspect", { method: "POST", body: form }));
    const faults = found.findings.filter((one) => one.head);
    faults.sort((a, b) => (b.head === found.suggestion) - (a.head === found.suggestion));
    row.head = found.suggestion;
    const text = found.suggestion
      ? `suggested: ${found.suggestion} (${faults.map((one) => one.text).join("; also ")})`
      : "nothing to restore was found";
    if (found.suggestion) {
      id("head").value = found.suggestion;
      fillQualities();
    }
    update(row, before === "done" ? "done" : "ready", text);
    say(`${row.name}: ${text}`);
  } catch (error) {
    update(row, "failed", error.message);
    say(`${row.name}: ${error.message}`);
  }
}

// Views

const sides = (row) => ["before", "after"].map((side) => `/api/jobs/${row.job}/view/${side}`);

function thumbnail(row) {
  const open = row.li.querySelector(".open");
  open.hidden = !row.hasView;
  if (row.hasView) open.querySelector("img").src = sides(row)[1];
}

function look(row) {
  show(row.name, ...sides(row));
}

// Adding files

// Of a file in a folder, `path` names the folders as well.
function add(found) {
  for (const { file, path } of found) addRow(path, file, path.split("/").slice(0, -1).join("/"));
  say(`${found.length} added`);
}

const alone = (file) => ({ file, path: file.webkitRelativePath || file.name });

// Of a folder, only files that may be pictures or clips are added.
const isKnown = (file) =>
  !file.name.startsWith(".") && models.readable.includes(file.name.split(".").pop().toLowerCase());

async function entries(entry) {
  if (entry.isFile) {
    const file = await new Promise((done, fail) => entry.file(done, fail));
    return [{ file, path: entry.fullPath.replace(/^\//, "") }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const part = await new Promise((done, fail) => reader.readEntries(done, fail));
    if (!part.length) return found;
    for (const one of part) found.push(...(await entries(one)).filter(({ file }) => isKnown(file)));
  }
}

async function dropped(transfer) {
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!roots.length) return [...transfer.files].map(alone);
  const found = await Promise.all(roots.map(entries));
  return found.flat();
}

for (const kind of ["dragover", "dragenter"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    id("drop").classList.add("over");
  });
}
addEventListener("dragleave", () => id("drop").classList.remove("over"));
addEventListener("drop", async (event) => {
  event.preventDefault();
  id("drop").classList.remove("over");
  add(await dropped(event.dataTransfer));
});
for (const [button, picker] of [["choose", "picker"], ["choose-folder", "folder-picker"]]) {
  id(button).addEventListener("click", () => id(picker).click());
  id(picker).addEventListener("change", () => {
    const files = [...id(picker).files];
    add((picker === "picker" ? files : files.filter(isKnown)).map(alone));
    id(picker).value = "";
  });
}
id("start").addEventListener("click", start);
id("clear").addEventListener("click", () => [...rows].forEach(remove));

// Start: the server's models, and the jobs from before a reload.

async function restoreRows() {
  for (const [job, name] of JSON.parse(sessionStorage.getItem(STORED) || "[]")) {
    const answer = await fetch(`/api/jobs/${job}`);
    if (!answer.ok) continue;
    const row = addRow(name);
    row.job = job;
    told(row, await answer.json());
  }
  watch();
}

try {
  models = await json(await fetch("/api/models"));
  fillSettings();
  await restoreRows();
} catch (error) {
  id("summary").textContent = error.message;
}
