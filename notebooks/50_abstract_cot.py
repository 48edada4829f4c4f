# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Compress reasoning into abstract traces
#
# **Does**: trains every arm of `abstract.arms` (the warm-up of arXiv 2604.22709, selection, RL, and the controls beside
# them), judges all on the same test rows, and asks whether the answers read their traces. **Needs**: a passed preflight
# and rows whose references think. **Costs**: the steps of all arms together; each step is done once and skipped after.
#
# An abstract trace is a handful of codes between a prompt and its answer, in place of hundreds of tokens of thought.

# %% [markdown]
# ## The parameters
#
# The runner puts its own values in place of these two; by hand, change them here.

# %% tags=["parameters"]
params_file = "params/abstract_cot/demo.yaml"
run_dir = "runs/abstract_cot-demo"

# %% [markdown]
# Everything else is in the parameter file, resolved and checked before anything is loaded. The run directory is
# opened here, and tracking with it, so that whatever goes wrong below leaves a trace.

# %%
import rich

from caderno import chat, data, plots, runs, tables, tracking
from caderno.abstract import campaign, results, rows, telling

# %%
stage = runs.open_stage("abstract_cot", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "abstract", "model", "data")

# %% [markdown]
# ## The rows, the vocabulary and the base
#
# Codes and delimiters become tokens of the model: in spare rows of its embedding where it has some. Where
# `abstract.base` asks for it, the model first learns to reason in words, which every arm then starts from.

# %%
splits = data.build(params)
run = campaign.Campaign(stage, splits)
base = run.open_base()

# %% [markdown]
# ## One row as the arms see it
#
# Prompt X, thought C, trace Z (random here, as in the first round) and answer Y. Green tokens carry loss, dim ones are
# context; in phase A the answer does not see the thought, only the trace whose states saw it.

# %%
for example in rows.examples(run.test[0], run.vocabulary, params.abstract.traces):
    rich.print(chat.show_mask(rows.shown(example, run.tokenizer)))
    rich.print()

# %% [markdown]
# ## The arms
#
# Each is trained from the same base and judged by one decode configuration. The line that an arm ends with is its
# accuracy with a 95 % interval, and the tokens it took: of thought (c), trace (z) and answer (y).

# %%
result = results.run_all(run)

# %% [markdown]
# ## Accuracy against tokens
#
# A good abstract arm stands at the left, as high as the verbal one. Beside `direct`, trained for as long on the same
# rows, is where an arm has to stand out: what it gains over that, its trace has earned.

# %%
figure = plots.accuracy_tokens(telling.points(result), chance=result["chance"])
stage.figure("accuracy-tokens", figure)
figure

# %%
tables.arms(result)

# %% [markdown]
# ## Does the answer read the trace?
#
# The best arm's trace is kept, dropped, randomised, shuffled, swapped with another prompt's, or cut. Where accuracy
# stays the same, the trace is a pause and nothing more, whatever it looks like. The other arms' are in `result.json`.

# %%
best = telling.best(result)
figure = plots.interventions(best["interventions"], chance=result["chance"])
stage.figure("interventions", figure)
figure

# %% [markdown]
# ## Its traces
#
# Rank and frequency beside what drift alone makes, lengths, entropy by position, and how alike traces of different
# prompts are. A falling curve is no language: compare it with its null.

# %%
figure = plots.trace_panel(result["health"][best["arm"]], title=f"Traces of {best['arm']}")
stage.figure("trace-panel", figure)
figure

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run. For every guard the gravest answer over the arms
# stands here; each arm's own are in `result.json`.

# %%
tables.verdict_rows(runs.read_json(stage.directory / "guards.json"))

# %%
stage.close()

# %% [markdown]
# Next: the write-up, `caderno writeup RUN`.
