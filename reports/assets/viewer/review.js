// Reviewing: one picture at a time, judged by keyboard or button; whatever text comes goes in as text.
(() => {
  "use strict";
  const seat = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const who = new URLSearchParams({ audit: seat.audit, reviewer: seat.reviewer });
  const WORDS = { yes: "the defect is there", no: "it is not there", skip: "skipped" };
  let item = null;
  let shownAt = 0;
  let peeked = false;
  let busy = false;

  function make(tag, properties = {}, ...children) {
    const element = tag.startsWith("svg:") ? document.createElementNS("http://www.w3.org/2000/svg", tag.slice(4)) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  async function ask(path, body) {
    const headers = { "Content-Type": "application/json", "X-Audit-Token": seat.post };
    const answer = await fetch(path, body ? { method: "POST", headers, body: JSON.stringify(body) } : {});
    const text = await answer.text();
    if (!answer.ok) throw new Error(text.startsWith("{") ? JSON.parse(text).error ?? text : text);
    return JSON.parse(text);
  }

  /** One thing at a time: what is pressed while an answer is on its way would fall on the wrong picture. */
  async function alone(work) {
    if (busy) return;
    busy = true;
    try {
      await work();
      find("trouble").hidden = true;
    } catch (error) {
      find("trouble").textContent = `${error.message} Nothing was lost; load the page again to go on.`;
      find("trouble").hidden = false;
    } finally {
      busy = false;
    }
  }

  async function open(at) {
    const place = at === undefined ? "" : `&at=${at}`;
    item = await ask(`/api/item/${seat.run}?${who}${place}`);
    find("progress").textContent = `${item.judged} of ${item.total} answered`;
    find("done").max = Math.max(item.total, 1);
    find("done").value = item.judged;
    find("asking").hidden = item.key === null;
    find("finished").hidden = item.key !== null;
    if (item.key === null) return;
    hideEvidence();
    const image = find("image");
    image.src = item.image;
    image.alt = `Picture ${item.at + 1}`;
    image.width = item.width;
    image.height = item.height;
    image.classList.toggle("pixels", item.small);
    find("stage").classList.toggle("tall", item.height > item.width);
    await image.decode().catch(() => { throw new Error("The picture could not be loaded."); });
    find("prompt").textContent = item.prompt;
    find("brought").replaceChildren(...item.brought.map(([role, src]) => make("span", {}, make("img", { src, alt: role }), " " + role)));
    find("expect").replaceChildren(...item.expect.flatMap(([name, value]) => [make("dt", {}, "expected " + name), make("dd", {}, make("bdi", {}, value))]));
    if (item.answer) tell("Your answer here", item.answer, item.flagged);
    for (const button of document.querySelectorAll("[data-answer]")) button.setAttribute("aria-pressed", String(button.dataset.answer === item.answer));
    document.querySelector("[data-do=previous]").disabled = item.at === 0;
    document.querySelector("[data-do=next]").disabled = item.at + 1 >= item.total;
    if (item.next_image) new Image().src = item.next_image;
    shownAt = performance.now();
    find("asking").dataset.at = item.at;
  }

  function tell(whose, answer, flagged) {
    const agree = answer === "skip" ? "" : (answer === "yes") === flagged ? " You agree." : " You disagree.";
    find("verdict").textContent = `${whose}: ${WORDS[answer]}. The detector ${flagged ? "flagged it" : "did not flag it"}.${agree}`;
  }

  async function answer(given) {
    if (item.key === null) return;
    const seconds = Math.round((performance.now() - shownAt) / 10) / 100;
    const { flagged } = await ask("/api/answer", { run: seat.run, audit: seat.audit, reviewer: seat.reviewer, key: item.key, answer: given, seconds, peeked });
    const changed = item.answer !== null;
    tell("Last picture", given, flagged);
    await open(changed ? item.at : undefined);
  }

  async function undo() {
    const { at } = await ask("/api/undo", { run: seat.run, audit: seat.audit, reviewer: seat.reviewer });
    if (at === null) { find("verdict").textContent = "There is no answer to take back."; return; }
    await open(at);
    find("verdict").textContent = "Taken back.";
  }

  async function walk(step) {
    if (item.key === null || item.at + step < 0 || item.at + step >= item.total) return;
    find("verdict").textContent = "";
    await open(item.at + step);
  }

  function hideEvidence() {
    peeked = false;
    find("drawn").hidden = true;
    find("rest").replaceChildren();
    document.querySelector("[data-do=evidence]").setAttribute("aria-pressed", "false");
  }

  async function evidence() {
    if (item.key === null) return;
    if (document.querySelector("[data-do=evidence]").getAttribute("aria-pressed") === "true") {
      const looked = peeked;
      hideEvidence();
      peeked = looked;
      return;
    }
    const told = await ask(`/api/evidence/${seat.run}/${item.key}?${who}`);
    peeked = true;
    const drawing = make("svg:svg", { class: "overlay", viewBox: `0 0 ${item.width} ${item.height}`, role: "img", "aria-label": "Boxes and marks of the evidence" });
    for (const box of told.boxes) {
      const points = box.points.map((point) => point.join(",")).join(" ");
      drawing.append(make("svg:polygon", { points, class: "rim" }), make("svg:polygon", { points, class: box.unsure ? "unsure" : "sure" }, make("svg:title", {}, box.label)));
    }
    for (const mark of told.marks) drawing.append(make("svg:circle", { cx: mark.x, cy: mark.y, r: Math.max(item.width, item.height) / 70, class: "mark kind-0" }, make("svg:title", {}, mark.label)));
    find("drawn").replaceChildren(drawing);
    find("drawn").hidden = false;
    const rest = Object.entries(told.facts).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, make("bdi", {}, String(value)))]);
    const TAGS = { "=": "span", "-": "del", "+": "ins" };
    const read = (told.diff ?? []).map(([kind, text]) => make(TAGS[kind], {}, text));
    find("rest").replaceChildren(
      ...(read.length ? [make("p", { class: "diff" }, ...read)] : []),
      ...(rest.length ? [make("dl", {}, ...rest)] : []),
      ...(read.length + rest.length + told.boxes.length + told.marks.length ? [] : [make("p", { class: "muted" }, "The detector left no evidence.")]));
    document.querySelector("[data-do=evidence]").setAttribute("aria-pressed", "true");
  }

  const DEEDS = { undo, evidence, previous: () => walk(-1), next: () => walk(1) };
  const KEYS = { y: () => answer("yes"), n: () => answer("no"), s: () => answer("skip"), u: undo, e: evidence, ArrowLeft: DEEDS.previous, ArrowRight: DEEDS.next };
  document.addEventListener("keydown", (event) => {
    const deed = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!deed || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    alone(deed);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.answer) alone(() => answer(button.dataset.answer));
    else if (button?.dataset.do) alone(DEEDS[button.dataset.do]);
  });
  alone(() => open());
})();
