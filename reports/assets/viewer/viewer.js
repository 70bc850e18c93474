// Browsing: arrow keys walk, a choice is a query, the evidence is shown on demand.
(() => {
  "use strict";
  const KEYS = { ArrowLeft: "prev", ArrowRight: "next" };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest("input:not([type=checkbox]), select")) return;
    if (KEYS[event.key]) document.querySelector(`a[rel=${KEYS[event.key]}]`)?.click();
  });

  const query = document.querySelector("form.query");
  for (const select of query?.querySelectorAll("select") ?? []) select.addEventListener("change", () => query.requestSubmit());

  const evidence = document.getElementById("evidence");
  const whose = document.getElementById("whose");
  function draw() {
    for (const each of document.querySelectorAll(".drawn")) each.hidden = !(evidence.checked && each.id === whose.value);
  }
  evidence?.addEventListener("change", draw);
  whose?.addEventListener("change", () => { evidence.checked = true; draw(); });
  if (evidence) draw();
})();
