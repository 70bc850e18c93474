// The gallery: filters, sorting, rows added as the reader comes near their end, and keys that walk it.
page.gallery = (() => {
  "use strict";
  const { make, number, overlay } = page;
  const data = page.data.gallery;
  const form = document.getElementById("filters");
  const board = document.getElementById("pictures");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  const BATCH = { rows: 20, grid: 120 };
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const at = new Map(data.pictures.map((picture) => [picture.row + "/" + picture.column, picture]));
  const pictureOf = new WeakMap();
  const words = wordsOfRows();
  // What is on the board: lines of pictures that the arrow keys walk, and how much of it has been added.
  let lines = [];
  let columns = [];
  let added = 0;
  let frame = null;
  let chosen = {};

  /** All that a search looks through, row by row. */
  function wordsOfRows() {
    const read = data.rows.map(() => []);
    for (const picture of data.pictures) {
      if (picture.diff) read[picture.row].push(picture.diff.filter(([kind]) => kind !== "-").map(([, text]) => text).join(""));
    }
    return data.rows.map((row, place) => (
      [row.id, row.text, row.negative, ...row.tags, ...Object.values(row.expect), ...read[place]].join("\n").toLowerCase()));
  }

  const columnName = (column) => column.words.join(" · ");
  const score = (picture, audit) => (typeof picture.scores[audit] === "number" ? picture.scores[audit] : null);

  /** Whether one audit, or any ("*"), says so of the picture: "defect", "skipped" or "failed". */
  function says(picture, kind, audit) {
    const found = (place) => (kind === "defect"
      ? data.audits[place].defect !== null && picture.scores[place] === data.audits[place].defect
      : Array.isArray(picture.scores[place]) && picture.scores[place][0] === kind);
    return audit === "*" ? data.audits.some((_, place) => found(place)) : found(Number(audit));
  }

  function fits(picture, finding) {
    if (finding === "") return true;
    if (finding === "lost") return picture.status !== "ok";
    const [kind, audit] = finding.split(":");
    return picture.status === "ok" && (kind === "ok" || says(picture, kind, audit));
  }

  function mean(values) {
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }

  /** By value in the order chosen; what has no value comes last either way. */
  function sorted(items, valueOf, order) {
    const sign = order === "up" ? 1 : -1;
    return items.map((item) => [item, valueOf(item)]).sort(([, a], [, b]) => (
      a === null || b === null ? (a === null) - (b === null) : sign * (a - b))).map(([item]) => item);
  }

  function choose() {
    chosen = Object.fromEntries(new FormData(form));
    const sought = chosen.words.trim().toLowerCase().split(/\s+/).filter(Boolean);
    columns = data.columns.map((_, place) => place).filter((place) => (
      (!chosen.who || data.columns[place].who === chosen.who) && (!chosen.cell || columnName(data.columns[place]) === chosen.cell)));
    const rows = data.rows.map((_, place) => place).filter((place) => (
      (!chosen.tag || data.rows[place].tags.includes(chosen.tag)) && sought.every((word) => words[place].includes(word))));
    const audit = chosen.sort === "" ? null : Number(chosen.sort);
    const picturesOf = (row) => columns.map((column) => at.get(row + "/" + column)).filter((picture) => picture && fits(picture, chosen.finding));
    if (chosen.layout === "grid") {
      const flat = rows.flatMap(picturesOf);
      lines = [audit === null ? flat : sorted(flat, (picture) => score(picture, audit), chosen.order)];
    } else {
      const kept = rows.map(picturesOf).filter((line) => line.length);
      lines = audit === null ? kept
        : sorted(kept, (line) => mean(line.map((picture) => score(picture, audit)).filter((value) => value !== null)), chosen.order);
    }
    draw(audit);
  }

  function tile(picture, audit, withCell) {
    const row = data.rows[picture.row];
    const column = data.columns[picture.column];
    const name = `${row.text}; ${column.who}, ${columnName(column)}, replicate ${row.replicate + 1}`;
    const shown = picture.source
      ? make("span", { className: "shot" }, make("img", { src: "data:image/webp;base64," + picture.source, alt: name, loading: "lazy", decoding: "async", className: isSmall(picture) ? "pixels" : "" }))
      : make("span", { className: "lost" }, make("b", {}, picture.status), make("span", {}, picture.error.slice(0, 80)));
    if (chosen.evidence && picture.source && overlay.kinds(picture).length) shown.append(overlay.draw(picture));
    const button = make("button", { type: "button", className: "tile", tabIndex: -1 }, shown);
    if (audit !== null) button.append(make("span", { className: "under" }, `${data.audits[audit].name} `, make("b", {}, told(picture, audit))));
    if (withCell && data.columns.length > 1) button.append(make("span", { className: "under" }, columnName(column)));
    if (!picture.source) button.setAttribute("aria-label", `${name}: ${picture.status}, ${picture.error}`);
    button.addEventListener("click", () => page.openPicture(picture));
    picture.tile = button;
    pictureOf.set(button, picture);
    return button;
  }

  function told(picture, audit) {
    const given = picture.scores[audit];
    return typeof given === "number" ? number(given) : Array.isArray(given) ? given[0] : "not scored";
  }

  const isSmall = (picture) => Math.max(picture.width, picture.height) <= 128;

  function asked(picture) {
    const row = data.rows[picture.row];
    return make("div", { className: "asked" },
      make("p", {}, make("bdi", {}, row.text)),
      make("small", {}, `${row.id} · replicate ${row.replicate + 1}`),
      make("small", {}, row.tags.join(", ")),
      ...brought(row));
  }

  /** The pictures a prompt brought: a source, a mask, a control. */
  function brought(row) {
    const known = ["source", "mask", "control"].map((role) => [role, row.inputs[role]]).filter(([, digest]) => data.inputs[digest]);
    if (!known.length) return [];
    return [make("div", { className: "brought" }, ...known.map(([role, digest]) => make("figure", {},
      make("img", { src: "data:image/webp;base64," + data.inputs[digest], alt: `${role} of ${row.id}`, loading: "lazy" }),
      make("figcaption", {}, role))))];
  }

  function strip(line, audit) {
    const byColumn = new Map(line.map((picture) => [picture.column, picture]));
    return make("div", { className: "strip" }, asked(line[0]), ...columns.map((column) => (
      byColumn.has(column) ? tile(byColumn.get(column), audit, false) : make("div", { className: "gap", title: "no picture here" }, "·"))));
  }

  function head() {
    return make("div", { className: "strip head" }, make("div", { className: "asked" }, "Prompt and seed"),
      ...columns.map((column) => make("div", {}, make("b", {}, data.columns[column].who), ...data.columns[column].words.map((word) => make("span", {}, word)))));
  }

  let extend = () => {};

  function draw(audit) {
    const grid = chosen.layout === "grid";
    frame = make("div", { className: grid ? "grid" : "rows" });
    const items = grid ? lines[0] : lines;
    board.style.setProperty("--columns", columns.length);
    added = 0;
    if (!grid && items.length) frame.append(head());
    board.replaceChildren(items.length ? frame : make("p", { className: "nothing" }, "No picture fits these filters."));
    extend = () => {
      const next = items.slice(added, added + BATCH[grid ? "grid" : "rows"]);
      frame.append(...next.map((item) => (grid ? tile(item, audit, true) : strip(item, audit))));
      added += next.length;
      more.hidden = added >= items.length;
      more.textContent = `Show more (${(items.length - added).toLocaleString("en")} left)`;
    };
    extend();
    rove(frame.querySelector(".tile"));
    board.scrollTo(0, 0);
    const total = lines.reduce((sum, line) => sum + line.length, 0);
    count.textContent = `${total.toLocaleString("en")} of ${data.pictures.length.toLocaleString("en")} pictures`;
  }

  /** The picture so many steps along and so many lines on; null beyond the edge. */
  function neighbour(picture, along, across) {
    const line = lines.findIndex((each) => each.includes(picture));
    if (line < 0) return null;
    const flat = lines.flat();
    if (across && chosen.layout === "grid") {
      const width = getComputedStyle(frame).gridTemplateColumns.split(" ").length;
      return flat[flat.indexOf(picture) + across * width] || null;
    }
    if (across) {
      const other = lines[line + across];
      return other ? other.find((each) => each.column === picture.column) || other[0] : null;
    }
    return flat[flat.indexOf(picture) + along] || null;
  }

  /** Only one picture at a time is a stop of the Tab key; arrows go to the others. */
  function rove(button) {
    if (!button) return;
    board.querySelectorAll('.tile[tabindex="0"]').forEach((other) => { other.tabIndex = -1; });
    button.tabIndex = 0;
  }

  /** Put the keyboard on a picture, adding rows until it is there. */
  function goTo(picture) {
    while (!picture.tile?.isConnected && !more.hidden) extend();
    if (!picture.tile?.isConnected) return;
    rove(picture.tile);
    picture.tile.focus();
  }

  function onKey(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (event.key === "/" && !event.target.closest("input, select, textarea")) {
      event.preventDefault();
      form.scrollIntoView({ block: "start" });
      form.elements.words.focus({ preventScroll: true });
    }
    const picture = ARROWS[event.key] && pictureOf.get(event.target);
    if (!picture) return;
    event.preventDefault();
    const next = neighbour(picture, ...ARROWS[event.key]);
    if (next) goTo(next);
  }

  function option(select, value, text) {
    select.append(make("option", { value, textContent: text }));
  }

  /** One choice for each audit that says so of some picture, with how many those are. */
  function startFindings() {
    for (const [kind, title, any] of [["defect", "Defects", "any defect"], ["failed", "Failed audits", "any audit failed"], ["skipped", "Skipped audits", "any audit skipped"]]) {
      const counts = data.audits.map((_, place) => data.pictures.filter((picture) => fits(picture, `${kind}:${place}`)).length);
      if (!counts.some(Boolean)) continue;
      const group = make("optgroup", { label: title });
      option(group, kind + ":*", any);
      counts.forEach((found, place) => { if (found) option(group, `${kind}:${place}`, `${data.audits[place].name} (${found.toLocaleString("en")})`); });
      form.elements.finding.append(group);
    }
  }

  function start() {
    const unique = (values) => [...new Set(values)];
    unique(data.columns.map((column) => column.who)).forEach((who) => option(form.elements.who, who, who));
    unique(data.columns.map(columnName)).forEach((cell) => option(form.elements.cell, cell, cell));
    unique(data.rows.flatMap((row) => row.tags)).forEach((tag) => option(form.elements.tag, tag, tag));
    data.audits.forEach((audit, place) => option(form.elements.sort, String(place), `${audit.name} ${audit.arrow}`));
    startFindings();
    form.elements.evidence.closest("label").hidden = !data.pictures.some((picture) => overlay.kinds(picture).length);
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", choose);
    form.addEventListener("reset", () => setTimeout(choose));
    more.addEventListener("click", () => extend());
    document.addEventListener("keydown", onKey);
    board.addEventListener("focusin", (event) => { if (pictureOf.has(event.target)) rove(event.target); });
    board.addEventListener("scroll", () => {
      if (!more.hidden && board.scrollTop + board.clientHeight > board.scrollHeight - 600) extend();
    }, { passive: true });
    addEventListener("beforeprint", () => { while (!more.hidden) extend(); });
    choose();
  }

  start();
  return { data, columnName, isSmall, neighbour, goTo, brought, ARROWS };
})();
