// The gallery: filters, sorting, and rows added as the reader comes near their end.
page.gallery = (() => {
  "use strict";
  const { make, number } = page;
  const data = page.data.gallery;
  const form = document.getElementById("filters");
  const board = document.getElementById("pictures");
  const more = document.getElementById("more");
  const count = document.getElementById("count");
  const BATCH = { rows: 20, grid: 120 };
  const at = new Map(data.pictures.map((picture) => [picture.row + "/" + picture.column, picture]));
  const words = data.rows.map((row, place) => {
    const read = data.pictures.filter((picture) => picture.row === place && picture.diff)
      .map((picture) => picture.diff.filter(([kind]) => kind !== "-").map(([, text]) => text).join(""));
    return [row.id, row.text, row.negative, ...row.tags, ...Object.values(row.expect), ...read].join("\n").toLowerCase();
  });
  // What is on the board: lines of pictures that the arrow keys walk, and how much of it has been added.
  let lines = [];
  let columns = [];
  let added = 0;

  const columnName = (column) => column.words.join(" · ");
  const score = (picture, audit) => (typeof picture.scores[audit] === "number" ? picture.scores[audit] : null);
  const statuses = (picture) => Object.values(picture.scores).filter(Array.isArray).map(([status]) => status);

  function fits(picture, chosen) {
    if (chosen.status === "ok") return picture.status === "ok";
    if (chosen.status === "lost") return picture.status !== "ok";
    if (chosen.status) return picture.status === "ok" && statuses(picture).includes(chosen.status);
    return true;
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
    const chosen = Object.fromEntries(new FormData(form));
    const sought = chosen.words.trim().toLowerCase().split(/\s+/).filter(Boolean);
    columns = data.columns.map((_, place) => place).filter((place) => (
      (!chosen.who || data.columns[place].who === chosen.who) && (!chosen.cell || columnName(data.columns[place]) === chosen.cell)));
    const rows = data.rows.map((_, place) => place).filter((place) => (
      (!chosen.tag || data.rows[place].tags.includes(chosen.tag)) && sought.every((word) => words[place].includes(word))));
    const audit = chosen.sort === "" ? null : Number(chosen.sort);
    const picturesOf = (row) => columns.map((column) => at.get(row + "/" + column)).filter((picture) => picture && fits(picture, chosen));
    if (chosen.layout === "grid") {
      const flat = rows.flatMap(picturesOf);
      lines = [audit === null ? flat : sorted(flat, (picture) => score(picture, audit), chosen.order)];
    } else {
      const kept = rows.map(picturesOf).filter((line) => line.length);
      lines = audit === null ? kept
        : sorted(kept, (line) => mean(line.map((picture) => score(picture, audit)).filter((value) => value !== null)), chosen.order);
    }
    draw(chosen, audit);
  }

  function tile(picture, audit, withCell) {
    const row = data.rows[picture.row];
    const column = data.columns[picture.column];
    const name = `${row.text}; ${column.who}, ${columnName(column)}, replicate ${row.replicate + 1}`;
    const shown = picture.source
      ? make("img", { src: "data:image/webp;base64," + picture.source, alt: name, loading: "lazy", decoding: "async", className: isSmall(picture) ? "pixels" : "" })
      : make("span", { className: "lost" }, make("b", {}, picture.status), make("span", {}, picture.error.slice(0, 80)));
    const button = make("button", { type: "button", className: "tile" }, shown);
    if (audit !== null) button.append(make("span", { className: "under" }, `${data.audits[audit].name} `, make("b", {}, told(picture, audit))));
    if (withCell && data.columns.length > 1) button.append(make("span", { className: "under" }, columnName(column)));
    if (!picture.source) button.setAttribute("aria-label", `${name}: ${picture.status}, ${picture.error}`);
    button.addEventListener("click", () => page.openPicture(picture, button));
    picture.tile = button;
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

  function draw(chosen, audit) {
    const grid = chosen.layout === "grid";
    const frame = make("div", { className: grid ? "grid" : "rows" });
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
    board.scrollTo(0, 0);
    const total = lines.reduce((sum, line) => sum + line.length, 0);
    count.textContent = `${total.toLocaleString("en")} of ${data.pictures.length.toLocaleString("en")} pictures`;
  }

  /** The picture so many steps along its line and so many lines on; null beyond the edge. */
  function neighbour(picture, along, across) {
    const line = lines.findIndex((each) => each.includes(picture));
    if (line < 0) return null;
    if (across) {
      const other = lines[line + across];
      return other ? other.find((each) => each.column === picture.column) || other[0] : null;
    }
    const flat = lines.flat();
    const place = flat.indexOf(picture) + along;
    return flat[place] || null;
  }

  function option(select, value, text) {
    form.elements[select].append(make("option", { value, textContent: text }));
  }

  function start() {
    const unique = (values) => [...new Set(values)];
    unique(data.columns.map((column) => column.who)).forEach((who) => option("who", who, who));
    unique(data.columns.map(columnName)).forEach((cell) => option("cell", cell, cell));
    unique(data.rows.flatMap((row) => row.tags)).forEach((tag) => option("tag", tag, tag));
    data.audits.forEach((audit, place) => option("sort", String(place), `${audit.name} ${audit.arrow}`));
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", choose);
    form.addEventListener("reset", () => setTimeout(choose));
    more.addEventListener("click", () => extend());
    board.addEventListener("scroll", () => {
      if (!more.hidden && board.scrollTop + board.clientHeight > board.scrollHeight - 600) extend();
    }, { passive: true });
    addEventListener("beforeprint", () => { while (!more.hidden) extend(); });
    choose();
  }

  start();
  return { data, columnName, isSmall, neighbour, brought };
})();
