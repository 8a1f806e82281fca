// Two pictures on top of each other: a movable edge, fit or 1:1, panning by pointer and keys.

const id = (name) => document.getElementById(name);
const viewer = id("viewer");
const stage = id("stage");
const before = id("before");
const after = id("after");
const split = id("split");
const view = { scale: 1, x: 0, y: 0, fit: true };

function fitScale() {
  const { naturalWidth: w, naturalHeight: h } = after;
  return w ? Math.min(stage.clientWidth / w, stage.clientHeight / h, 4) : 1;
}

// One pixel of the picture on one pixel of the screen.
const oneToOne = () => 1 / (window.devicePixelRatio || 1);

function place() {
  const { naturalWidth: w, naturalHeight: h } = after;
  if (view.fit) view.scale = fitScale();
  const clamp = (at, side, room) =>
    side <= room ? (room - side) / 2 : Math.min(0, Math.max(room - side, at));
  view.x = clamp(view.x, w * view.scale, stage.clientWidth);
  view.y = clamp(view.y, h * view.scale, stage.clientHeight);
  for (const image of [before, after]) {
    const own = image.naturalWidth ? (view.scale * w) / image.naturalWidth : view.scale;
    image.style.transform = `translate(${view.x}px, ${view.y}px) scale(${own})`;
  }
  const edge = (stage.clientWidth * split.value) / 100;
  const shown = Math.max(0, (edge - view.x) / view.scale);
  before.style.clipPath = `inset(0 ${Math.max(0, w - shown)}px 0 0)`;
  id("edge").style.left = `${edge}px`;
  stage.classList.toggle("one", !view.fit);
  stage.classList.toggle("sharp", view.scale >= 1);
  id("zoom-fit").setAttribute("aria-pressed", String(view.fit));
  id("zoom-one").setAttribute("aria-pressed", String(!view.fit));
  stage.dataset.scale = view.scale;
}

function zoom(scale, atX = stage.clientWidth / 2, atY = stage.clientHeight / 2) {
  view.x = atX - ((atX - view.x) * scale) / view.scale;
  view.y = atY - ((atY - view.y) * scale) / view.scale;
  Object.assign(view, { scale, fit: false });
  place();
}

function fit() {
  view.fit = true;
  place();
}

function pan(x, y) {
  view.x += x;
  view.y += y;
  place();
}

export function show(title, beforeUrl, afterUrl) {
  id("viewer-title").textContent = title;
  before.src = beforeUrl;
  after.src = afterUrl;
  split.value = 50;
  view.fit = true;
  viewer.showModal();
  place();
  stage.focus();
}

for (const image of [before, after]) image.addEventListener("load", place);
new ResizeObserver(place).observe(stage);
split.addEventListener("input", place);
id("zoom-fit").addEventListener("click", fit);
id("zoom-one").addEventListener("click", () => zoom(oneToOne()));
id("close").addEventListener("click", () => viewer.close());

let held = null;
stage.addEventListener("pointerdown", (event) => {
  const edge = (stage.clientWidth * split.value) / 100;
  const x = event.clientX - stage.getBoundingClientRect().left;
  held = view.fit || Math.abs(x - edge) < 16 ? "edge" : "picture";
  stage.setPointerCapture(event.pointerId);
  if (held === "edge") moveEdge(event);
});
stage.addEventListener("pointermove", (event) => {
  if (held === "edge") moveEdge(event);
  else if (held) pan(event.movementX, event.movementY);
});
for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (held = null));

function moveEdge(event) {
  const box = stage.getBoundingClientRect();
  split.value = ((event.clientX - box.left) / box.width) * 100;
  place();
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const box = stage.getBoundingClientRect();
  const scale = Math.min(16, Math.max(fitScale() / 2, view.scale * Math.exp(-event.deltaY / 400)));
  zoom(scale, event.clientX - box.left, event.clientY - box.top);
}, { passive: false });

stage.addEventListener("keydown", (event) => {
  const step = 60;
  const keys = {
    ArrowLeft: () => (view.fit ? moveSplit(-5) : pan(step, 0)),
    ArrowRight: () => (view.fit ? moveSplit(5) : pan(-step, 0)),
    ArrowUp: () => pan(0, step),
    ArrowDown: () => pan(0, -step),
    "+": () => zoom(Math.min(16, view.scale * 1.5)),
    "-": () => zoom(Math.max(fitScale() / 2, view.scale / 1.5)),
    0: fit,
    1: () => zoom(oneToOne()),
  };
  if (keys[event.key]) {
    event.preventDefault();
    keys[event.key]();
  }
});

function moveSplit(by) {
  split.value = Number(split.value) + by;
  place();
}
