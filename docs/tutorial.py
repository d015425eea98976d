# %% [markdown]
# # Tutorial: from a table to a served model
#
# This page is a Python script, `docs/tutorial.py` in the repository. It generates a table whose truth is known,
# searches a model for it, and looks at the result. It takes about a minute on one core and writes to the working
# directory.

# %%
from pathlib import Path

import numpy as np
import pandas as pd

import autofi

# %% [markdown]
# ## A table with a known truth
#
# 40,000 rows with five fields. The click depends on three things: on each field a little, on the *combination* of hour
# and city (an effect for each of their 480 crosses, without any structure), and on a *product* of user and ad (tastes
# that match or do not match). Device matters only by itself.

# %%
rng = np.random.default_rng(0)
rows = 40_000
sizes = {"hour": 24, "city": 20, "user": 120, "ad": 100, "device": 4}
table = pd.DataFrame({name: rng.integers(0, size, rows) for name, size in sizes.items()})

main = sum(rng.normal(0, 0.2, size)[table[name]] for name, size in sizes.items())
crossed = rng.normal(0, 1.0, (24, 20))[table["hour"], table["city"]]
tastes = rng.normal(0, 1.0, (120, 3)), rng.normal(0, 1.0, (100, 3))
matched = (tastes[0][table["user"]] * tastes[1][table["ad"]]).sum(axis=1) * 0.8
table["click"] = rng.random(rows) < 1 / (1 + np.exp(-(main + crossed + matched - 1)))

table.to_parquet("clicks.parquet")
table.sample(200, random_state=1).drop(columns="click").to_parquet("tomorrow.parquet")

# %% [markdown]
# ## Look at the data first
#
# `check_table` reads the table as a search would, and warns of leakage and drift. Here it has nothing to warn of.

# %%
checks = autofi.check_table("clicks.parquet", target="click")
print(checks.warnings)

# %% [markdown]
# ## Search
#
# The space decides what may be chosen. This one has a choice for every pair: leave it out, multiply two embeddings, or
# memorize the cross. A search trains a supernet, then a few architectures from scratch (`trials`), retrains the winner
# (`seeds`) and compares it with `baselines`.

# %%
Path("pairs.yaml").write_text(
    """
name: pairs
summary: Every pair memorized, factorized or naive, below a small MLP.
fields: {forms: [embedding]}
pairs:
  options: [[], [factorize_hadamard], [memorize_embedding]]
head: {hidden: [64, 32], ensemble: 4}
training: {learning_rate: 0.003, embedding_l2: 0.001, batch_size: 1024, epochs: 15}
"""
)
study = autofi.search(
    "clicks.parquet",
    target="click",
    space="pairs.yaml",
    study="tutorial",
    trials=3,
    seeds=1,
    baselines=["all-naive", "lightgbm"],
)

# %% [markdown]
# The summary is what `autofi show tutorial --json` prints. The search finds both pairs, and the right choice for each:
# hour × city is memorized, user × ad is factorized, and the other eight pairs are naive.

# %%
summary = study.summary()
chosen = {
    (pair["left"], pair["right"]): pair["choice"] for pair in summary["pairs"] if pair["choice"] != "naive"
}
print(chosen)
print({model["name"]: model["test"]["auc"] for model in (summary["winner"], *summary["baselines"])})

# %% [markdown]
# Each trial is one architecture, trained from scratch:

# %%
print(study.leaderboard()[["trial", "valid_auc", "table_bytes", "architecture"]].to_string())

# %% [markdown]
# ## Report
#
# One HTML file with all figures. `study.figures` has each of them as a Plotly figure.

# %%
study.report("report.html")
study.figures.interaction_map().write_html("map.html")

# %% [markdown]
# ## Export, score, explain
#
# A bundle is one folder that scores raw rows. It runs in ONNX Runtime, and scoring needs no torch.

# %%
study.export("model")
predictor = autofi.load("model")
print(predictor.predict_proba("tomorrow.parquet")[:5])

# %% [markdown]
# `explain` divides the logit of a row into a baseline, each field by itself, each pair, and the rest: what several
# parts do only together.

# %%
explanation = autofi.explain("model", "tomorrow.parquet", rows=1)[0]
print("baseline", explanation.baseline)
for field in explanation.fields:
    print(field.name, field.value, field.own)
for pair in explanation.pairs:
    print(pair.name, pair.contribution)
print("rest", explanation.rest, "logit", explanation.logit)

# %% [markdown]
# From here, `autofi serve model --port 8080` answers requests over HTTP. The same steps on the command line are
# `autofi check`, `autofi search`, `autofi show`, `autofi report`, `autofi export`, `autofi predict` and
# `autofi explain`.
