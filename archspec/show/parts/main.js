// The page.
function section(id, title, ...content) {
  const heading = make("h2", { id: `${id}-title`, tabindex: -1 }, title);
  return make("section", { id, "aria-labelledby": `${id}-title` }, heading, content);
}

function header() {
  return make("header", null, make("h1", null, D.title), D.description && make("p", { class: "facts" }, D.description),
    D.facts.map((text) => make("p", { class: "facts" }, text)));
}

function toolbar(sections) {
  let at = 0;
  const count = make("span", { class: "count", "aria-live": "polite" });
  const input = make("input", {
    type: "search", id: "search", value: state.search, placeholder: "conv2d 3\u00d73", spellcheck: "false", autocomplete: "off",
    oninput: (event) => { at = 0; set({ search: event.target.value }); },
    onkeydown: (event) => {
      const found = [...(matches() || [])].filter((id) => BOXES[id].kind === "op");
      if (event.key === "Enter" && found.length) { const id = found[at++ % found.length]; reveal(id); input.focus({ preventScroll: true }); hover(id); }
      if (event.key === "Escape") { input.value = ""; set({ search: "" }); }
    },
  });
  views.push(() => {
    const found = matches();
    count.textContent = found ? plural([...found].filter((id) => BOXES[id].kind === "op").length, "layer") : "";
  });
  const colour = choice("Colour", state.measure, MEASURES.map(({ title, index }) => [index, title]), (value) => set({ measure: Number(value) }));
  const levels = Array.from({ length: D.levels + 1 }, (_, k) => [k, k === 0 ? "stages" : k === D.levels ? "all" : `${k}`]);
  const depth = D.levels > 0 && choice("Open", D.depth, levels, (value) => { openTo(Number(value)); set({}); });
  const links = sections.map((one) => make("a", { href: `#${one.id}`, onclick: (event) => { event.preventDefault(); one.scrollIntoView(); one.querySelector("h2").focus(); } }, one.querySelector("h2").textContent));
  return make("div", { class: "toolbar" }, make("label", null, "Search ", input), count, colour, depth, make("nav", { "aria-label": "Sections" }, links));
}

function begin() {
  readAddress();
  const sections = [diagramSection(), tableSection(), timelineSection(), rooflineSection(), predictedSection()].filter(Boolean);
  find("page").append(header(), toolbar(sections), ...sections, make("footer", null, `Made by archspec ${D.archspec}.`));
  document.body.append(tip, spoken);
  drawAll();
  addEventListener("resize", drawAll);
  addEventListener("keydown", (event) => { if (event.key === "/" && document.activeElement !== find("search")) { event.preventDefault(); find("search").focus(); } });
  document.documentElement.dataset.ready = "yes";
}

begin();
