// The page's data, its theme, and which section is being read. Other scripts hang their parts on `page`.
const page = (() => {
  "use strict";
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const listeners = [];

  /** An element with properties and children; text goes in as text, never as markup. */
  function make(tag, properties = {}, ...children) {
    const element = tag.startsWith("svg:")
      ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4))
      : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element && !tag.startsWith("svg:")) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  /** Three significant digits, as the tables show them; whole numbers whole. */
  function number(value) {
    if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll("-", "−");
    const places = 2 - Math.floor(Math.log10(Math.abs(value)));
    const text = places > 6 ? value.toExponential(2)
      : (Number(value.toPrecision(3))).toLocaleString("en", { minimumFractionDigits: Math.max(places, 0), maximumFractionDigits: Math.max(places, 0) });
    return text.replaceAll("-", "−");
  }

  function isDark() {
    const chosen = root.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  function tellTheme() {
    const button = document.getElementById("theme");
    button.setAttribute("aria-pressed", String(isDark()));
    button.querySelector(".label").textContent = isDark() ? "Light" : "Dark";
    listeners.forEach((listener) => listener());
  }

  function remember(theme) {
    // A file opened from disk may be refused its storage; the choice then lasts as long as the page.
    try { localStorage.setItem("sixthfinger-theme", theme); } catch { root.dataset.remembered = "no"; }
  }

  function remembered() {
    try { return localStorage.getItem("sixthfinger-theme"); } catch { return null; }
  }

  function startTheme() {
    const button = document.getElementById("theme");
    if (["dark", "light"].includes(remembered())) root.dataset.theme = remembered();
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      remember(root.dataset.theme);
      tellTheme();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tellTheme);
    tellTheme();
  }

  function startContents() {
    const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
    const contents = document.querySelector(".contents");
    const seen = new Map();
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) seen.set(entry.target.id, entry.isIntersecting);
      const current = [...links.keys()].find((id) => seen.get(id));
      if (!current) return;
      for (const [id, link] of links) {
        if (id === current) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      contents.scrollLeft = links.get(current).offsetLeft - contents.clientWidth / 3;
    }, { rootMargin: "-100px 0px -55% 0px" });
    document.querySelectorAll("main > section").forEach((section) => watcher.observe(section));
  }

  /** Copies of a table with its first column and so many of the others each. */
  function cutTable(table, parts) {
    const columns = table.rows[0].cells.length - 1;
    const each = Math.ceil(columns / parts);
    return Array.from({ length: Math.ceil(columns / each) }, (_, part) => {
      const copy = table.cloneNode(true);
      for (const row of copy.rows) {
        if (row.cells.length !== columns + 1) row.cells[0].colSpan = each + 1;
        else [...row.cells].forEach((cell, place) => { if (place && Math.ceil(place / each) !== part + 1) cell.remove(); });
      }
      return copy;
    });
  }

  /** On paper nothing scrolls or unfolds: what is folded is opened, and a table too wide is shrunk or cut in parts. */
  function startPrinting() {
    const PAPER = 680; // CSS pixels between the margins of A4 or letter
    const undo = [];
    function fit(table) {
      table.parentElement.style.width = PAPER + "px";
      const wide = table.offsetWidth / PAPER;
      table.parentElement.style.width = "";
      if (wide <= 1) return;
      const parts = wide > 1.4 ? cutTable(table, Math.ceil(wide)) : [];
      if (!parts.length) table.style.zoom = String(Math.floor(1000 / wide) / 1000);
      table.after(...parts);
      table.hidden = parts.length > 0;
      undo.push(() => {
        parts.forEach((part) => part.remove());
        table.style.zoom = "";
        table.hidden = false;
      });
    }
    addEventListener("beforeprint", () => {
      const { theme } = root.dataset;
      const folded = [...document.querySelectorAll("main details:not([open])")];
      undo.push(() => {
        root.classList.remove("printing");
        folded.forEach((each) => { each.open = false; });
        if (theme) root.dataset.theme = theme;
        else delete root.dataset.theme;
        listeners.forEach((listener) => listener());
      });
      root.dataset.theme = "light";
      root.classList.add("printing");
      folded.forEach((each) => { each.open = true; });
      document.querySelectorAll("main table").forEach(fit);
    });
    addEventListener("afterprint", () => { while (undo.length) undo.pop()(); });
  }

  startTheme();
  startContents();
  startPrinting();
  return { data, make, number, onTheme: (listener) => listeners.push(listener) };
})();
