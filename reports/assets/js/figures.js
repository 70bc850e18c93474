// Plots: drawn when they come near the screen (all of them before printing), redrawn when the theme changes.
(() => {
  "use strict";
  const figures = Object.assign({}, ...Object.values(page.data).map((part) => part.figures || {}));
  const drawn = new Set();

  /** "var(--c0)" and "var(--c0)/0.2" become the theme's colour, the latter with that opacity. */
  function resolve(value, style) {
    if (Array.isArray(value)) return value.map((each) => resolve(each, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, resolve(each, style)]));
    }
    const match = typeof value === "string" && value.match(/^var\((--[a-z0-9-]+)\)(?:\/([\d.]+))?$/);
    if (!match) return value;
    const colour = style.getPropertyValue(match[1]).trim();
    return match[2] ? colour + Math.round(Number(match[2]) * 255).toString(16).padStart(2, "0") : colour;
  }

  function layoutFor(layout, style) {
    const ink = style.getPropertyValue("--muted").trim();
    const line = style.getPropertyValue("--line").trim();
    const axis = { gridcolor: line, zeroline: false, linecolor: line, ticks: "", automargin: true, nticks: 6, fixedrange: true };
    return {
      ...layout,
      font: { family: getComputedStyle(document.body).fontFamily, size: 11.5, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 44, r: 14, t: 10, b: 38 },
      showlegend: false,
      xaxis: { ...axis, ...layout.xaxis, title: { ...layout.xaxis.title, standoff: 8, font: { size: 11 } } },
      yaxis: { ...axis, ...layout.yaxis, title: { ...layout.yaxis.title, standoff: 8, font: { size: 11 } } },
      hoverlabel: { bgcolor: style.getPropertyValue("--raised").trim(), bordercolor: line, font: { color: style.getPropertyValue("--ink").trim() } },
      dragmode: false,
    };
  }

  function draw(place) {
    const figure = figures[place.dataset.figure];
    const style = getComputedStyle(document.documentElement);
    drawn.add(place);
    return Plotly.react(place, resolve(figure.data, style), layoutFor(resolve(figure.layout, style), style), {
      displayModeBar: false, responsive: true, showTips: false,
    }).then(() => { place.dataset.drawn = "yes"; });
  }

  const places = [...document.querySelectorAll("[data-figure]")];
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting || drawn.has(entry.target)) continue;
      watcher.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "300px" });
  places.forEach((place) => watcher.observe(place));
  page.onTheme(() => drawn.forEach(draw));
  // On paper they have another width than on the screen.
  const resize = () => Promise.all(places.map((place) => draw(place).then(() => Plotly.Plots.resize(place))));
  addEventListener("beforeprint", resize);
  addEventListener("afterprint", resize);
})();
