# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,-papermill
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version,-papermill
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
# # Check everything before the training begins
#
# **Does**: versions and hardware, rows and chat template, generation, scorers, a step or two of training, resuming.
# **Needs**: the parameter file, the model, the data. **Costs**: half a minute on the tiny model, a model load and a
# few steps on a real one.
#
# A run that is doomed at step 0 should end here, not after a night. Every verdict comes from a guard with a name, a
# threshold and a source: docs/guides/guards.md lists them.

# %% [markdown]
# ## The parameters
#
# The runner puts its own values in place of these two; by hand, change them here.

# %% tags=["parameters"]
params_file = "params/demo.yaml"
run_dir = "runs/demo"

# %% [markdown]
# Everything else is in the parameter file, resolved and checked before anything is loaded. The run directory is
# opened here, and tracking with it, so that whatever goes wrong below leaves a trace.

# %%
import rich

from caderno import chat, data, guards, runs, tables, tasks, tracking
from caderno.guards import facts_data_templates, facts_static
from caderno.training import policies, probing

# %%
stage = runs.open_stage("preflight", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "model", "data", "chat", "guards")

# %% [markdown]
# Versions, schedules, rates, disk, secrets: all that the file and the machine tell before a row is built. An absent
# GPU is *unknown*, not a refusal, for this may not be the machine that runs.

# %%
verdicts = guards.judge("static", facts_static.gather(params, files=[runs.given(params_file)]))

# %% [markdown]
# ## The data and the model
#
# Three splits, with no entity in two of them. One engine draws, as calibration and validation will; the policy is
# loaded as training will load it, with its adapter where there is one. Before anything is rendered: a thinking switch
# that is set must be one that the template knows.

# %%
splits = data.build(params)
{split: len(rows) for split, rows in splits.items()}

# %%
engine = policies.engine(stage, policies.START)
verdicts += guards.judge(["thinking-switch"], facts_data_templates.switch(engine.tokenizer, params))
stage.guards([verdict.as_dict() for verdict in verdicts])

# %% [markdown]
# ## Three examples as the model will see them
#
# Green tokens are supervised, dim ones are context. A good mask begins exactly where the completion begins and
# includes the token that ends the turn.

# %%
for row in splits["train"][:3]:
    example = chat.loss_mask_example(engine.tokenizer, row["prompt"], tasks.reference(row), params.chat.enable_thinking)
    rich.print(chat.show_mask(example))
    rich.print()

# %% [markdown]
# ## The checks
#
# First the engine: a token, the same tokens alone and in a batch, and groups of completions as GRPO would draw them.
# It gives its memory back before the policy is loaded.

# %%
facts = probing.generation(engine, splits["heldout"], params)
engine.close()

# %% [markdown]
# The rows: label masks, lengths of the whole data, leaks into the training rows, and the tokens that training,
# rollouts, evaluation and serving make of the same messages.

# %%
policy = policies.start(stage, for_training=True)
facts |= probing.data(policy, splits, params)

# %% [markdown]
# The scorers: references must score high; wrong, empty and echoed answers low; nothing may raise.

# %%
facts |= probing.scorers(splits["heldout"])

# %% [markdown]
# The weights: the loss at step 0, then two real steps on the longest rows. Does every trainable tensor move, does the
# sampler follow, is what is saved what was trained? Everything is put back afterwards.

# %%
facts |= probing.weights(policy, splits["train"], params)

# %% [markdown]
# The Trainer under this run's arguments, on a model of a few weights: does a NaN reach the log, and is a resumed
# training the training that was not stopped? Then SFT's own trainer: which tokens do its batches really supervise?

# %%
facts |= probing.trainer(policy, splits["train"], params)

# %% [markdown]
# ## What was found
#
# A good table has no line above the passes. *Unknown* says what could not be judged here and why; *not applicable*
# what would mean nothing under these parameters.

# %%
verdicts += probing.judged(facts)
tables.verdicts(verdicts)

# %%
stage.guards([verdict.as_dict() for verdict in verdicts])
stage.result({"checks": len(verdicts), "rows": {split: len(rows) for split, rows in splits.items()}})

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: the stage that `params.stages` names after this one. `caderno run` goes there by itself.
