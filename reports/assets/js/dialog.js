// The dialog of one picture: large, with its boxes, its scores and what they rest on. Arrow keys walk the gallery.
(() => {
  "use strict";
  const { make, number, overlay } = page;
  const { data, columnName, isSmall, neighbour, goTo, brought, ARROWS } = page.gallery;
  const dialog = document.getElementById("picture");
  const stage = dialog.querySelector(".stage");
  let current = null;
  const off = new Set();

  /** Switch what is drawn over the picture by its kind. */
  function tellSwitches() {
    stage.querySelectorAll("[data-kind]").forEach((shape) => { shape.style.display = off.has(shape.dataset.kind) ? "none" : ""; });
  }

  function switchOf([kind, key]) {
    const box = make("input", { type: "checkbox", checked: !off.has(kind) });
    box.addEventListener("change", () => {
      if (box.checked) off.delete(kind);
      else off.add(kind);
      tellSwitches();
    });
    return make("label", {}, box, make("span", { className: key, "aria-hidden": "true" }), make("bdi", {}, kind));
  }

  /** Show the full picture of the folder beside the page in place of the small copy, once it is there. */
  function showFull(picture, image, size) {
    const { full } = data.columns[picture.column];
    if (!full) return;
    const href = `${full}${picture.key}.webp`;
    const whole = make("img", { src: href });
    whole.addEventListener("load", () => {
      if (current !== picture) return;
      image.src = href;
      size.after(make("a", { href, target: "_blank", rel: "noopener" }, "full picture"));
    });
  }

  function showPicture(picture) {
    const row = data.rows[picture.row];
    stage.replaceChildren(picture.source
      ? make("img", { src: "data:image/webp;base64," + picture.source, alt: row.text, className: isSmall(picture) ? "pixels" : "" })
      : make("p", { className: "lost" }, `${picture.status}: ${picture.error}`));
    const caption = dialog.querySelector(".big figcaption");
    caption.replaceChildren();
    const image = stage.querySelector("img");
    if (!image) return;
    const kinds = overlay.kinds(picture);
    if (kinds.length) stage.append(overlay.draw(picture));
    caption.append(...kinds.map(switchOf));
    tellSwitches();
    const size = make("span", { className: "size" });
    caption.append(size);
    image.addEventListener("load", () => {
      const small = image.naturalWidth < picture.width ? `, shown at ${image.naturalWidth} × ${image.naturalHeight}` : "";
      size.textContent = `${picture.width} × ${picture.height} pixels${small}`;
    });
    showFull(picture, image, size);
  }

  function pairs(entries) {
    return make("dl", {}, ...entries.filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("bdi", {}, String(value)))]));
  }

  function scoreRow(audit, place, picture) {
    const given = picture.scores[place];
    const head = make("th", { scope: "row" }, make("span", { className: "audit" }, audit.name), " ", make("span", { className: "dir " + audit.better }, audit.arrow));
    if (typeof given === "number") return make("tr", {}, head, make("td", { className: "number" }, number(given)), make("td", { className: "muted" }, audit.unit));
    const [status, reason] = given ? [given[0], data.reasons[given[1]]] : ["not scored", ""];
    return make("tr", {}, head, make("td", { className: "number muted" }, "—"), make("td", {}, make("span", { className: "status " + status }, status), " ", make("bdi", {}, reason)));
  }

  function difference(runs) {
    const side = (mark, tag) => make("dd", { className: "diff" }, ...runs.filter(([kind]) => kind === "=" || kind === mark)
      .map(([kind, text]) => (kind === "=" ? text : make(tag, {}, text))));
    const read = runs.some(([kind]) => kind !== "-") ? side("+", "ins") : make("dd", { className: "muted" }, "nothing");
    return [make("dl", { className: "reading" }, make("dt", {}, "asked for"), side("-", "del"), make("dt", {}, "read"), read)];
  }

  function evidence(picture) {
    return Object.entries(picture.facts).flatMap(([place, facts]) => [
      make("h4", {}, `What ${data.audits[place].name} rests on`),
      pairs(Object.entries(facts).map(([name, value]) => [name, typeof value === "number" ? number(value) : value]))]);
  }

  function show(picture) {
    current = picture;
    const row = data.rows[picture.row];
    const column = data.columns[picture.column];
    dialog.querySelector("h3").textContent = `${column.who} · ${columnName(column)}`;
    showPicture(picture);
    const table = make("table", {}, make("caption", { className: "sr" }, "Scores of this picture"), make("tbody", {}, ...data.audits.map((audit, place) => scoreRow(audit, place, picture))));
    const told = dialog.querySelector(".told");
    told.replaceChildren(
      make("p", { className: "asked-for" }, make("bdi", {}, row.text)),
      ...brought(row),
      ...(picture.diff ? difference(picture.diff) : []),
      table,
      ...evidence(picture),
      make("h4", {}, "How it was made"),
      pairs([["prompt", row.id], ["not wanted", row.negative], ["tags", row.tags.join(", ")], ...Object.entries(row.expect).map(([name, value]) => ["expected " + name, value]),
        ["replicate", row.replicate + 1], ["seed", picture.seed], ...Object.entries(column.settings), ["took", picture.seconds === null ? "" : number(picture.seconds) + " s"],
        ["from", row.origin], ["key", picture.key]]));
    dialog.querySelector('[data-go="previous"]').disabled = !neighbour(picture, -1, 0);
    dialog.querySelector('[data-go="next"]').disabled = !neighbour(picture, 1, 0);
    dialog.scrollTo(0, 0);
  }

  function go(along, across) {
    const next = neighbour(current, along, across);
    if (next) show(next);
  }

  page.openPicture = (picture) => {
    show(picture);
    dialog.showModal();
  };
  // On the document: what had the focus may be gone with the last picture.
  document.addEventListener("keydown", (event) => {
    if (!dialog.open || !ARROWS[event.key]) return;
    event.preventDefault();
    go(...ARROWS[event.key]);
  });
  dialog.addEventListener("click", (event) => {
    const button = event.target.closest("[data-go]");
    if (event.target === dialog || button?.dataset.go === "close") dialog.close();
    else if (button) go(button.dataset.go === "next" ? 1 : -1, 0);
  });
  // Focus goes back to the picture last looked at, which may not be the one that was opened.
  dialog.addEventListener("close", () => { if (current) goTo(current); });
})();
