// What a score rests on, drawn over a picture: boxes, boxes the reader was unsure of, marks by their label.
page.overlay = (() => {
  "use strict";
  const { make } = page;
  const COLOURS = 4;

  const labels = (picture) => [...new Set(picture.marks.map((mark) => mark.label))];

  /** The kinds of evidence in a picture: [name, class of its key or ""]. */
  function kinds(picture) {
    const sure = picture.boxes.some((box) => !box.unsure);
    const unsure = picture.boxes.some((box) => box.unsure);
    return [...(sure ? [["boxes", "key-box"]] : []), ...(unsure ? [["unsure boxes", "key-box unsure"]] : []),
      ...labels(picture).map((label, place) => [label || "marks", "key-mark kind-" + place % COLOURS])];
  }

  /** An SVG that covers the picture however it is scaled; each shape carries its kind, so that it can be switched. */
  function draw(picture) {
    const drawing = make("svg:svg", { viewBox: `0 0 ${picture.width} ${picture.height}`, role: "img", "aria-label": "Boxes and marks of the evidence; dashed where the reader was unsure and they count for nothing" });
    for (const box of picture.boxes) {
      const points = box.points.map((point) => point.join(",")).join(" ");
      const group = make("svg:g", { "data-kind": box.unsure ? "unsure boxes" : "boxes" }, make("svg:polygon", { points, class: "rim" }),
        make("svg:polygon", { points, class: (box.unsure ? "unsure" : "sure") + (box.line ? " line" : "") }));
      if (box.label) group.append(make("svg:title", {}, box.label));
      drawing.append(group);
    }
    const known = labels(picture);
    for (const mark of picture.marks) {
      const place = { cx: mark.x, cy: mark.y, r: Math.max(picture.width, picture.height) / 70 };
      drawing.append(make("svg:g", { "data-kind": mark.label || "marks" },
        make("svg:circle", { ...place, class: "mark kind-" + known.indexOf(mark.label) % COLOURS }, make("svg:title", {}, mark.label))));
    }
    return drawing;
  }

  return { draw, kinds };
})();
