"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  // Copying: the clipboard where the browser lends it, a selection elsewhere.
  async function copy(text, button) {
    const before = button.textContent;
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch (error) {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      done = document.execCommand("copy");
      area.remove();
    }
    button.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { button.textContent = before; }, 1500);
  }

  // Tables: a click on a head sorts by that column, numbers by value, empty cells last.
  const number = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)/i;
  function value(cell) {
    const text = cell.textContent.trim();
    const found = number.exec(text);
    if (found) return Number(found[1]);
    return /^[+-]?inf/i.test(text) ? (text[0] === "-" ? -Infinity : Infinity) : null;
  }
  function sort(table, column, descending) {
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => ({ row, text: row.cells[column].textContent.trim() }));
    const empty = (entry) => entry.text === "" || entry.text === "-" || entry.text === "nan";
    const filled = rows.filter((entry) => !empty(entry));
    for (const entry of filled) entry.value = value(entry.row.cells[column]);
    const numeric = filled.every((entry) => entry.value !== null);
    filled.sort((a, b) => {
      const order = numeric
        ? (a.value < b.value ? -1 : a.value > b.value ? 1 : 0)
        : a.text.localeCompare(b.text, undefined, { numeric: true });
      return descending ? -order : order;
    });
    body.append(...filled.map((entry) => entry.row), ...rows.filter(empty).map((entry) => entry.row));
  }
  for (const table of all("table")) {
    const heads = table.tHead ? [...table.tHead.rows[0].cells] : [];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      button.title = "Sort";
      if (!head.textContent.trim()) button.setAttribute("aria-label", "Sort by the first column");
      head.replaceChildren(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, descending);
      });
    });
  }
  for (const button of all(".copy-table")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const clean = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
      const rows = all("tr", button.closest(".table"));
      copy(rows.map((row) => [...row.cells].map(clean).join("\t")).join("\n") + "\n", button);
    });
  }
  for (const button of all(".copy-command")) {
    button.hidden = false;
    button.addEventListener("click", () => copy(button.previousElementSibling.textContent, button));
  }
  for (const button of all(".save-numbers")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const text = document.getElementById("numbers").textContent;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
      link.download = "numbers.json";
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  // Light and dark: as the system has it, until one is chosen.
  const root = document.documentElement;
  const isDark = () => root.dataset.theme
    ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  for (const button of all(".theme")) {
    const name = () => { button.textContent = isDark() ? "Light" : "Dark"; };
    button.hidden = false;
    name();
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      name();
    });
  }

  // Figures: a viewer of the whole window; wheel, pinch, buttons and keys zoom, dragging moves.
  const viewer = document.querySelector(".viewer");
  const stage = viewer.querySelector(".stage");
  const picture = stage.querySelector("img");
  let scale = 1, left = 0, top = 0, width = 1, height = 1;
  function place() {
    picture.style.width = `${width * scale}px`;
    picture.style.height = `${height * scale}px`;
    picture.style.transform = `translate(${left}px, ${top}px)`;
  }
  function fit() {
    const ratio = picture.naturalWidth / picture.naturalHeight || 1.5;
    width = Math.min(stage.clientWidth, stage.clientHeight * ratio);
    height = width / ratio;
    scale = 1;
    left = (stage.clientWidth - width) / 2;
    top = (stage.clientHeight - height) / 2;
    place();
  }
  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const wanted = Math.min(Math.max(scale * factor, 0.5), 40);
    left = x - (x - left) * wanted / scale;
    top = y - (y - top) * wanted / scale;
    scale = wanted;
    place();
  }
  for (const button of all(".zoom")) {
    button.addEventListener("click", () => {
      const source = button.querySelector("img");
      picture.src = source.src;
      picture.alt = source.alt;
      viewer.showModal();
      picture.decode().then(fit, fit);
    });
  }
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.clientX, event.clientY);
  }, { passive: false });
  const fingers = new Map();
  stage.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    const [x, y] = fingers.get(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (before.length === 1) {
      left += event.clientX - x;
      top += event.clientY - y;
      place();
    } else if (before.length === 2) {
      const after = [...fingers.values()];
      const gap = ([p, q]) => Math.hypot(p[0] - q[0], p[1] - q[1]);
      const middle = [(after[0][0] + after[1][0]) / 2, (after[0][1] + after[1][1]) / 2];
      left += middle[0] - (before[0][0] + before[1][0]) / 2;
      top += middle[1] - (before[0][1] + before[1][1]) / 2;
      zoom(gap(after) / (gap(before) || 1), ...middle);
    }
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  viewer.addEventListener("keydown", (event) => {
    const steps = { "+": 1.25, "=": 1.25, "-": 0.8 };
    if (steps[event.key]) zoom(steps[event.key]);
    else if (event.key === "0") fit();
  });
  viewer.querySelector(".in").addEventListener("click", () => zoom(1.5));
  viewer.querySelector(".out").addEventListener("click", () => zoom(1 / 1.5));
  viewer.querySelector(".fit").addEventListener("click", fit);
  viewer.querySelector(".close").addEventListener("click", () => viewer.close());
  window.addEventListener("resize", () => { if (viewer.open) fit(); });
})();
