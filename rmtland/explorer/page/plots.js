"use strict";
// Three figures: density, distribution function, index against energy. Nothing is computed here.

const COLORS = { law: "#0072B2", drawn: "#9aa0a6", file: "#E69F00", here: "#D55E00" };
const narrow = () => window.matchMedia("(max-width: 45rem)").matches;
const config = () => ({ displaylogo: false, responsive: true,
  displayModeBar: narrow() ? false : "hover",
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]] });

function layout(xTitle, yTitle, more) {
  return Object.assign({
    margin: { l: 58, r: 12, t: narrow() ? 12 : 30, b: 46 }, showlegend: true,
    legend: { x: 1, xanchor: "right", y: 1, bgcolor: "rgba(255,255,255,.75)" },
    font: { size: 12 }, dragmode: narrow() ? false : "zoom", hovermode: "closest",
    xaxis: { title: { text: xTitle }, zeroline: true },
    yaxis: { title: { text: yTitle }, rangemode: "tozero" }, bargap: 0,
  }, more);
}

// Draws a figure, or says why there is none; `words` is its alternative text.
function draw(name, traces, look, words, reason) {
  const place = document.getElementById(name);
  const note = document.getElementById(name + "-reason");
  place.hidden = Boolean(reason);
  note.hidden = !reason;
  note.textContent = reason ? "Not shown: " + reason + "." : "";
  if (reason) { return; }
  place.setAttribute("aria-label", words);
  Plotly.react(place, traces, look, config());
}

function bars(overlay, name, color) {
  const width = overlay.edges.slice(1).map((edge, i) => edge - overlay.edges[i]);
  const middle = width.map((size, i) => overlay.edges[i] + size / 2);
  return { type: "bar", x: middle, y: overlay.heights, width, name, opacity: 0.55,
    marker: { color, line: { width: 0 } } };
}

function outliers(overlay, name, color) {
  return { mode: "markers", x: overlay.beyond, y: overlay.beyond.map(() => 0), showlegend: false,
    name: name + ", outside", cliponaxis: false,
    marker: { symbol: "triangle-down-open", color, size: 9 } };
}

function drawDensity(found, overlays) {
  const traces = [];
  const view = found.view.y ? found.view : { x: [0, 1], y: [0, 1] };
  let [low, high] = view.x, top = view.y[1];
  for (const [overlay, name, color] of overlays) {
    if (overlay.edges.length) {
      traces.push(bars(overlay, name, color));
      low = Math.min(low, overlay.edges[0]);
      high = Math.max(high, overlay.edges[overlay.edges.length - 1]);
      top = Math.max(top, Math.min(1.1 * Math.max(...overlay.heights), 4 * top));
    }
    if (overlay.beyond.length) { traces.push(outliers(overlay, name, color)); }
  }
  traces.push({ mode: "lines", x: found.density.x, y: found.density.y, name: "law",
    line: { color: COLORS.law, width: 2.2 } });
  const atoms = found.numbers.atoms || [];
  const look = layout("eigenvalue", "density", {
    xaxis: { title: { text: "eigenvalue" }, range: [low, high], zeroline: true },
    yaxis: { title: { text: "density" }, range: [0, top] },
    shapes: atoms.map(([x]) => ({ type: "line", x0: x, x1: x, y0: 0, y1: 1, yref: "paper",
      line: { color: COLORS.law, width: 2, dash: "dot" } })),
    annotations: atoms.map(([x, mass]) => ({ x, y: 0.9, yref: "paper", showarrow: false,
      text: "atom " + mass.toPrecision(3), bgcolor: "rgba(255,255,255,.85)" })),
  });
  const peak = Math.max(0, ...found.density.y);
  if (peak > top) {
    look.annotations.push({ x: 0.02, xref: "paper", y: 1, yref: "paper", showarrow: false,
      text: "cut off: rises to " + peak.toPrecision(3) + " and may go on",
      bgcolor: "rgba(255,255,255,.85)" });
  }
  const words = "Density of the " + found.title + ". " + overlays.map(([, name]) => name).join(", ");
  draw("density", traces, look, words, found.density.reason);
}

function drawDistribution(found, overlays) {
  const traces = overlays.map(([overlay, name, color]) => ({ mode: "lines", x: overlay.x,
    y: overlay.y, name, line: { color, width: 3, shape: "hv" } }));
  traces.push({ mode: "lines", x: found.cdf.x, y: found.cdf.y, name: "law",
    line: { color: COLORS.law, width: 2 } });
  const look = layout("eigenvalue", "fraction at or below", {
    legend: { x: 1, xanchor: "right", y: 0.05, bgcolor: "rgba(255,255,255,.75)" } });
  look.yaxis.range = [0, 1.02];
  const ends = overlays.filter(([one]) => one.edges.length).map(([one]) => one.edges);
  if (found.view.x) {
    look.xaxis.range = [Math.min(found.view.x[0], ...ends.map((one) => one[0])),
      Math.max(found.view.x[1], ...ends.map((one) => one[one.length - 1]))];
  }
  draw("cdf", traces, look, "Distribution function of the " + found.title, found.cdf.reason);
}

function drawIndex(found, overlays) {
  const energy = found.state.energy;
  const traces = [{ mode: "lines", x: found.index.x, y: found.index.y, name: "law",
    line: { color: COLORS.law, width: 2 } }];
  const threshold = found.numbers["critical energy"];
  if (threshold > 0 && found.index.y.length) {
    traces.push({ mode: "lines", x: [threshold, threshold], name: "critical energy",
      y: [0, found.index.y[found.index.y.length - 1]], line: { color: "#555", width: 1, dash: "dot" } });
  }
  if (energy > 0 && found.numbers.index !== undefined) {
    for (const [overlay, name, color] of overlays) {
      traces.push({ mode: "markers", x: [energy], y: [overlay.index], name,
        marker: { color, size: 13, symbol: "diamond", line: { width: 1, color: "#333" } } });
    }
    traces.push({ mode: "markers", x: [energy], y: [found.numbers.index], name: "here",
      marker: { color: COLORS.here, size: 7 } });
  }
  const look = layout("energy", "index (fraction negative)", {
    legend: { x: 0.02, y: 1, bgcolor: "rgba(255,255,255,.75)" } });
  look.xaxis = { title: { text: "energy" }, type: "log", exponentformat: "power", dtick: 1 };
  const here = found.numbers.index === undefined ? "" : "; here " + found.numbers.index;
  const words = "Index against energy of the " + found.title + here;
  draw("index", traces, look, words, found.index.reason);
}
