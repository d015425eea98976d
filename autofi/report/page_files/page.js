"use strict";
// Figures are drawn when they come near the window, in the colours of the page.
(() => {
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const coloured = (layout) => {
    const axis = {color: colour("--text"), gridcolor: colour("--grid"), linecolor: colour("--line")};
    const found = {...layout, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)"};
    found.font = {...layout.font, color: colour("--text"), family: getComputedStyle(document.body).fontFamily};
    found.hoverlabel = {...layout.hoverlabel, bgcolor: colour("--panel"), bordercolor: colour("--line"),
      font: {color: colour("--text")}};
    // A title is one line: on a phone it is smaller.
    found.title = {...layout.title, font: {...layout.title.font, size: innerWidth < 600 ? 12 : 15}};
    for (const key of Object.keys(layout)) {
      if (/^[xy]axis\d*$/.test(key)) found[key] = {...axis, ...layout[key]};
      if (/^scene\d*$/.test(key)) {
        found[key] = {...layout[key]};
        for (const side of ["xaxis", "yaxis", "zaxis"]) found[key][side] = {...axis, ...layout[key][side]};
      }
      if (/^polar\d*$/.test(key)) {
        found[key] = {...layout[key], bgcolor: "rgba(0,0,0,0)"};
        for (const side of ["radialaxis", "angularaxis"]) found[key][side] = {...axis, ...layout[key][side]};
      }
    }
    for (const side of ["xaxis", "yaxis"]) found[side] = found[side] || axis;
    return found;
  };

  const draw = (plot) => {
    const {data, layout} = JSON.parse(document.getElementById(`data-${plot.dataset.figure}`).textContent);
    const settings = {responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"]};
    plot.dataset.drawn = "yes";
    return Plotly.react(plot, data, coloured(layout), settings);
  };

  const start = () => {
    const plots = [...document.querySelectorAll(".plot")];
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (entry.isIntersecting && !entry.target.dataset.drawn) draw(entry.target);
      }
    }, {rootMargin: "600px 0px"});
    plots.forEach((plot) => near.observe(plot));
    const again = () => plots.filter((plot) => plot.dataset.drawn).forEach(draw);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    // On paper nothing can be opened.
    const words = [...document.querySelectorAll("details.words")];
    const open = new Set();
    addEventListener("beforeprint", () => {
      plots.forEach(draw);
      words.filter((one) => one.open).forEach((one) => open.add(one));
      words.forEach((one) => { one.open = true; });
    });
    addEventListener("afterprint", () => {
      again();
      words.forEach((one) => { one.open = open.has(one); });
      open.clear();
    });
  };

  if (document.readyState === "complete") start();
  else addEventListener("load", start);
})();
