// In Optuna's dashboard: links to AutoFI's list of studies and to the report of the study that is looked at.
"use strict";

(() => {
  const bar = document.createElement("nav");
  bar.id = "autofi-links";
  bar.setAttribute("aria-label", "AutoFI");
  // Out of reach of the dashboard's styles. At the right end of its bar, or below where that has no room.
  const inside = bar.attachShadow({ mode: "open" });
  inside.innerHTML = `<style>
    :host { position: fixed; z-index: 1400; right: 24px; top: 17px; max-width: 50vw; }
    @media (max-width: 700px) { :host { top: auto; bottom: 10px; right: 12px; max-width: calc(100vw - 84px); } }
    div { padding: 4px 12px; border-radius: 14px; background: #1b2027; color: #c9d1dc; border: 1px solid #59636f;
      font: 13px/1.5 system-ui, sans-serif; box-shadow: 0 1px 4px rgb(0 0 0 / 30%);
      overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    a { color: #9ccbff; } a:focus-visible { outline: 2px solid #9ccbff; outline-offset: 2px; }
  </style><div>AutoFI: <a id="studies" href="/">studies</a><span id="more" hidden> · <a id="report"></a></span></div>`;
  const more = inside.getElementById("more"), report = inside.getElementById("report");
  let studies = [];

  const looked = () => Number(/^\/dashboard\/studies\/(\d+)/.exec(location.pathname)?.[1] ?? NaN);
  // A stage leads to the report of its study.
  const of = (id) => studies.find((study) => study.id === id || Object.values(study.stages).includes(id));

  function show() {
    const found = of(looked());
    more.hidden = !found;
    if (found) {
      report.textContent = `report of ${found.name}`;
      report.href = found.report;
    }
    return Boolean(found);
  }

  async function follow() {
    const id = looked();
    if (show() || Number.isNaN(id)) return;
    try {
      const answer = await fetch("/studies.json", { cache: "no-store" });
      if (answer.ok) studies = (await answer.json()).studies;
    } catch {
      return; // the dashboard itself says that it is not answered
    }
    show();
  }

  // It routes by itself: a view is an entry of the history, and only going back is an event.
  for (const name of ["pushState", "replaceState"]) {
    const real = history[name];
    history[name] = function (...given) {
      real.apply(this, given);
      follow();
    };
  }
  addEventListener("popstate", follow);
  document.body.append(bar);
  follow();
})();
