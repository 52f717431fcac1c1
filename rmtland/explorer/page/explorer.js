"use strict";
// The controls and what they ask of the server. One question is under way at a time: while a slider
// moves, the latest state is asked for when the answer to the one before is there.

const at = (id) => document.getElementById(id);
const STEPS = 1000;
let setup, state, found, drawn = null, dropped = null, file = null;

function sentence(text) {
  at("error").hidden = !text;
  at("error").textContent = text || "";
  at("views").classList.toggle("stale", Boolean(text));
}

async function ask(path, options) {
  let answer, content;
  try {
    answer = await fetch(path, options);
    content = await answer.json();
  } catch (error) {
    throw new Error("the explorer does not answer; is `rmtland explore` still running?");
  }
  if (!answer.ok) { throw new Error(content.error); }
  return content;
}

const query = (more) => new URLSearchParams({ ...state, ...more }).toString();

// Sliders -----------------------------------------------------------------------------------------

function toSlider({ low, high }, value) {
  if (!(value > low)) { return 0; }
  return Math.min(STEPS, Math.round(STEPS * Math.log(value / low) / Math.log(high / low)));
}

function fromSlider({ low, high }, step, whole) {
  const value = low * (high / low) ** (step / STEPS);
  return whole ? Math.round(value) : Number(value.toPrecision(4));
}

function makeSlider(name, slider) {
  const box = document.createElement("div");
  box.className = "slider";
  box.id = name + "-box";
  const label = document.createElement("label");
  label.htmlFor = name;
  label.textContent = slider.label;
  const range = Object.assign(document.createElement("input"),
    { type: "range", id: name, min: 0, max: STEPS, step: 1 });
  const number = Object.assign(document.createElement("input"),
    { type: "number", id: name + "-number", step: "any", inputMode: "decimal" });
  number.setAttribute("aria-label", slider.label + ", as a number");
  range.addEventListener("input", () => {
    state[name] = fromSlider(slider, Number(range.value), name === "width");
    number.value = state[name];
    if (name !== "width") { forget(); move(); }
  });
  range.addEventListener("change", () => move().then(settle));
  number.addEventListener("change", () => {
    if (number.value === "") { number.value = state[name]; return; }
    state[name] = Number(number.value);
    range.value = toSlider(slider, state[name]);
    change();
  });
  box.append(label, range, number);
  at("sliders").append(box);
}

function showControls() {
  for (const name of ["law", "activation", "sample", "seed"]) { at(name).value = state[name]; }
  at("traces").checked = state.traces === "activation";
  const used = new Set(setup.families[state.law].parameters);
  if (at("traces").checked) { used.delete("sigma"); }
  if (state.sample === "network") { used.add("phi").add("energy"); }
  if (state.sample !== "none") { used.add("width"); }
  if (used.has("phi") === false && at("traces").checked) { used.add("phi"); }
  if (used.has("energy") === false && !found.index.reason) { used.add("energy"); }
  for (const [name, slider] of Object.entries(setup.sliders)) {
    at(name).value = toSlider(slider, state[name]);
    at(name + "-number").value = state[name];
    at(name + "-box").classList.toggle("idle", !used.has(name));
  }
}

// Curves ------------------------------------------------------------------------------------------

let asking = null, wanted = false, skipped = 0;

// Ends when the latest state is shown, also where an earlier one was being asked for.
function move() {
  wanted = true;
  asking ??= follow();
  return asking;
}

async function follow() {
  while (wanted) {
    wanted = false;
    const start = performance.now();
    try {
      found = await ask("curves?" + query());
      sentence("");
      history.replaceState(null, "", "?" + found.query);
      show();
      document.body.dataset.milliseconds = (performance.now() - start).toFixed(1);
    } catch (error) {
      sentence(error.message);
    }
  }
  asking = null;
  document.body.dataset.moves = 1 + Number(document.body.dataset.moves || 0);
}

function overlays() {
  const list = [];
  if (drawn) { list.push([drawn, "drawn", COLORS.drawn]); }
  if (dropped) { list.push([dropped, "file", COLORS.file]); }
  return list;
}

function show() {
  at("title").textContent = found.title;
  const list = overlays();
  drawDensity(found, list);
  if (wanted && skipped < 2) { ++skipped; return; }  // a newer state is asked for already
  skipped = 0;
  drawDistribution(found, list);
  drawIndex(found, list);
  const rows = Object.entries(found.numbers).map(([name, value]) => [name, words(value)]);
  for (const [overlay, name] of list) {
    rows.push(["index, " + name, words(overlay.index)]);
    if (overlay.kolmogorov !== null) {
      rows.push(["Kolmogorov distance, " + name, words(overlay.kolmogorov)]);
      rows.push(["Wasserstein distance, " + name, words(overlay.wasserstein)]);
    }
    if (overlay.zero_mass > 0) { rows.push(["zeros, " + name, words(overlay.zero_mass)]); }
  }
  at("numbers").tBodies[0].replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("tr");
    row.append(Object.assign(document.createElement("th"), { textContent: name, scope: "row" }),
      Object.assign(document.createElement("td"), { textContent: value, id: "value-" + name }));
    return row;
  }));
}

function words(value) {
  if (Array.isArray(value)) {
    if (!value.length) { return "none"; }
    return value.map((one) => (Array.isArray(one) ? "(" + one.map(words).join(", ") + ")" : words(one))).join(", ");
  }
  return typeof value === "number" ? String(Number(value.toPrecision(10))) : String(value);
}

// Spectra laid over -------------------------------------------------------------------------------

// While a parameter moves, a spectrum that was drawn at another one is not shown, nor are distances
// of a file from another law.
function forget() {
  drawn = null;
  if (dropped) { dropped = { ...dropped, kolmogorov: null, wasserstein: null }; }
  if (state.sample !== "none") { at("drawn").textContent = "drawn anew when you let go"; }
}

function change() {
  forget();
  return move().then(settle);
}

let turn = 0, files = 0;

// Asks for what takes longer than a move: when a slider is let go, or something was chosen.
async function settle() {
  const mine = ++turn;
  showControls();
  const jobs = [];
  if (state.sample === "none") {
    drawn = null;
    at("drawn").textContent = "";
  } else {
    at("drawn").textContent = "drawing";
    jobs.push(ask("sample?" + query()).then((answer) => {
      if (mine !== turn) { return; }
      drawn = answer;
      at("drawn").textContent = answer.words + (answer.reason ? "; " + answer.reason : "");
    }).catch((error) => {
      if (mine !== turn) { return; }
      drawn = null;
      at("drawn").textContent = "Not drawn: " + error.message;
    }));
  }
  if (file) {
    jobs.push(ask("overlay?" + query({ file: file.file })).then((answer) => {
      if (mine === turn) { dropped = answer; }
    }).catch((error) => { at("dropped").textContent = error.message; dropped = null; }));
  }
  await Promise.all(jobs);
  if (mine !== turn) { return; }
  if (found) { show(); showControls(); }
  document.body.dataset.settled = turn;
}

async function drop(chosen) {
  if (!chosen) { return; }
  const mine = ++files;
  let read = null, words;
  at("fit").disabled = true;
  file = dropped = null;
  at("dropped").textContent = "reading " + chosen.name;
  try {
    if (chosen.size > setup.largest) {
      throw new Error(`the file has ${chosen.size} bytes; at most ${setup.largest} are read here`);
    }
    read = await ask("eigenvalues?" + new URLSearchParams({ name: chosen.name }),
      { method: "POST", body: chosen });
    words = `${read.count} ${read.count === 1 ? "eigenvalue" : "eigenvalues"} of ${read.name}`;
  } catch (error) {
    words = "Not read: " + error.message;
  }
  if (mine !== files) { return; }  // another file was chosen meanwhile
  file = read;
  at("dropped").textContent = words;
  at("fit").disabled = !file;
  await settle();
}

async function fit() {
  const mine = files;
  at("fit").disabled = true;
  at("dropped").textContent = "fitting";
  try {
    const answer = await ask("fit?" + query({ file: file.file }));
    if (mine !== files) { return; }  // another file was chosen meanwhile
    found = await ask("curves?" + answer.query);
    state = found.state;
    history.replaceState(null, "", "?" + found.query);
    at("dropped").textContent = `${file.name}, fitted: ${answer.words}`;
    drawn = null;
    show();
    await settle();
  } catch (error) {
    if (mine === files) { at("dropped").textContent = "Not fitted: " + error.message; }
  }
  if (mine === files) { at("fit").disabled = false; }
}

// Beginning ---------------------------------------------------------------------------------------

function options(id, entries) {
  at(id).replaceChildren(...entries.map(([value, textContent]) =>
    Object.assign(document.createElement("option"), { value, textContent })));
}

async function begin() {
  setup = await ask("setup");
  options("law", Object.entries(setup.families).map(([name, one]) => [name, one.title]));
  options("activation", setup.activations.map((name) => [name, name]));
  Object.entries(setup.sliders).forEach(([name, slider]) => makeSlider(name, slider));
  try {
    found = await ask("curves" + window.location.search);
  } catch (error) {
    sentence("The address of this page cannot be shown: " + error.message + ". Below are the defaults.");
    at("views").classList.remove("stale");
    found = await ask("curves");
  }
  state = found.state;
  show();
  for (const name of ["law", "activation", "sample"]) {
    at(name).addEventListener("change", () => { state[name] = at(name).value; change(); });
  }
  at("seed").addEventListener("change", () => {
    state.seed = Math.max(0, Math.trunc(Number(at("seed").value)) || 0);
    change();
  });
  at("traces").addEventListener("change", () => {
    state.traces = at("traces").checked ? "activation" : "printed";
    change();
  });
  at("controls").addEventListener("submit", (event) => event.preventDefault());
  at("file").addEventListener("change", () => drop(at("file").files[0]));
  at("fit").addEventListener("click", fit);
  for (const kind of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      event.preventDefault();
      at("drop").classList.toggle("over", kind === "dragover");
      if (kind === "drop") { drop(event.dataTransfer.files[0]); }
    });
  }
  await settle();
  document.body.dataset.ready = "yes";
}

begin().catch((error) => sentence(error.message));
