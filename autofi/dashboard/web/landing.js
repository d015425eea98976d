// Draws /studies.json and keeps it up to date. Whatever a study calls itself is text here, never markup.
"use strict";

const BUSY_MS = 2000, IDLE_MS = 5000, LOST_MS = 10000;
const table = document.getElementById("studies");
const body = table.tBodies[0];
const template = document.getElementById("row");
const rows = new Map();
let aheadMs = 0;

const show = (row, name, text) => {
  const found = row.querySelector("." + name);
  if (found.textContent !== text) found.textContent = text;
  return found;
};

function span(seconds) {
  const [days, hours, minutes] = [86400, 3600, 60].map((size) => Math.floor(seconds / size));
  if (days) return `${days} d ${hours % 24} h`;
  if (hours) return `${hours} h ${minutes % 60} min`;
  if (minutes) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

const since = (moment) => (Date.now() + aheadMs - Date.parse(moment)) / 1000;
const ago = (moment) => (since(moment) < 5 ? "just now" : `${span(since(moment)).split(" ").slice(0, 2).join(" ")} ago`);

function link(text, href) {
  const made = document.createElement("a");
  made.textContent = text;
  made.href = href;
  return made;
}

function make(study) {
  const row = template.content.firstElementChild.cloneNode(true);
  row.querySelector(".name").textContent = study.name;
  const report = row.querySelector(".report"), optuna = row.querySelector(".optuna");
  row.querySelector(".name").href = report.href = study.report;
  optuna.href = study.dashboard;
  report.setAttribute("aria-label", `Report of ${study.name}`);
  optuna.setAttribute("aria-label", `${study.name} in Optuna's dashboard`);
  return row;
}

function draw(row, study) {
  const { trials, best, result } = study;
  const done = trials.complete + trials.pruned;
  show(row, "about", `${study.data}, space ${study.space}`);
  show(row, "limits", study.limits.length ? `with ${study.limits.join(" and ")}` : "");
  show(row, "state", study.state).className = `state ${study.state}`;
  show(row, "detail", study.detail ?? "");
  const bar = row.querySelector("progress");
  bar.max = Math.max(trials.asked, done, 1);
  bar.value = done;
  bar.setAttribute("aria-label", `Trials of ${study.name}`);
  show(row, "count", `${done} of ${trials.asked}`);
  const more = [[trials.running, "running"], [trials.pruned, "pruned"], [trials.failed, "failed"]];
  show(row, "counts", more.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", "));
  show(row, "best", best ? best.told : "–");
  show(row, "label", best ? best.label : "");
  show(row, "reason", study.reason ?? "");
  const four = (value) => value.toFixed(4);
  const tested = result && result.auc !== null;
  show(row, "auc", tested ? four(result.auc) : study.pending ? "…" : "–");
  const [low, high] = result?.interval ?? [];
  const reach = tested ? `test AUC${low === undefined ? "" : `, 95 % ${four(low)} to ${four(high)}`}` : "";
  show(row, "interval", result && !tested ? "no test AUC" : reach).title = result && !tested ? result.told : "";
  const words = { better: "better than", tie: "as good as", worse: "worse than" };
  const told = result?.verdict ? `${words[result.verdict]} ${result.baseline}, the best baseline` : "";
  const verdict = show(row, "verdict", told);
  verdict.className = `verdict ${result?.verdict ?? ""}`;
  verdict.title = result?.told ?? "";
  const stages = row.querySelector(".stages");
  const known = JSON.stringify(study.stages);
  if (stages.dataset.known !== known) {
    stages.dataset.known = known;
    stages.replaceChildren(
      ...Object.entries(study.stages).map(([stage, id]) => {
        const made = link(stage, `/dashboard/studies/${id}`);
        made.setAttribute("aria-label", `Stage ${stage} of ${study.name} in Optuna's dashboard`);
        return made;
      }),
    );
  }
  tick(row, study);
}

function tick(row, study) {
  const changed = show(row, "changed", ago(study.changed));
  changed.dateTime = study.changed;
  changed.title = new Date(study.changed).toLocaleString();
  show(row, "created", `made ${new Date(study.created).toLocaleDateString()}`);
  const elapsed = study.since ? `for ${span(since(study.since))}` : study.seconds ? `in ${span(study.seconds)}` : "";
  show(row, "time", elapsed);
}

function update(listing) {
  aheadMs = Date.parse(listing.now) - Date.now();
  const { studies } = listing, active = studies.filter((study) => study.since).length;
  const words = [`${studies.length} ${studies.length === 1 ? "study" : "studies"} in ${listing.storage}`];
  if (active) words.push(`${active} at work`);
  document.getElementById("summary").textContent = words.join(", ");
  document.title = active ? `(${active}) AutoFI studies` : "AutoFI studies";
  table.hidden = !studies.length;
  document.getElementById("empty").hidden = studies.length > 0;
  for (const place of document.querySelectorAll(".storage")) place.textContent = `--storage ${listing.storage}`;
  const seen = new Set();
  studies.forEach((study, place) => {
    const key = `${study.id} ${study.created}`;
    seen.add(key);
    const kept = rows.get(key) ?? { row: make(study) };
    kept.study = study;
    rows.set(key, kept);
    draw(kept.row, study);
    // Moving a row that is in its place would take the focus from its links.
    if (body.rows[place] !== kept.row) body.insertBefore(kept.row, body.rows[place] ?? null);
  });
  for (const [key, kept] of rows) {
    if (!seen.has(key)) {
      kept.row.remove();
      rows.delete(key);
    }
  }
  return active || studies.some((study) => study.pending) ? BUSY_MS : IDLE_MS;
}

async function poll() {
  let wait = LOST_MS, problem = "";
  try {
    const answer = await fetch("/studies.json", { cache: "no-store" });
    if (answer.ok) wait = update(await answer.json());
    else if (answer.status === 401) problem = "This dashboard asks for its token: open the address that it printed.";
    else problem = `The list cannot be read at the moment (${answer.status}); the next try follows.`;
  } catch {
    problem = "The dashboard does not answer: start autofi dashboard again. The list is the last one it gave.";
  }
  const told = document.getElementById("problem");
  if (told.textContent !== problem) told.textContent = problem;
  setTimeout(poll, wait);
}

setInterval(() => rows.forEach(({ row, study }) => tick(row, study)), 1000);
poll();
