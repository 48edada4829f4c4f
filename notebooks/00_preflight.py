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
# # Check everything before the training begins
#
# **Does**: versions, hardware, data, chat template, one generated token, and the scorers on what they must like and
# must not. **Needs**: the parameter file, the model, the data. **Costs**: seconds on the tiny model, a model load on
# a real one.
#
# A run that is doomed at step 0 should end here, not after a night.

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

from caderno import chat, data, runs, tables, tracking
from caderno.guards import preflight
from caderno.training import policies

# %%
stage = runs.open_stage("preflight", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "model", "data", "chat", "guards")

# %% [markdown]
# ## The data and the model
#
# Three splits, with no entity in two of them; what the model starts from is what every later stage starts from.

# %%
splits = data.build(params)
{split: len(rows) for split, rows in splits.items()}

# %%
engine = policies.engine(stage, policies.START)
policy = policies.start(stage)

# %% [markdown]
# The thinking switch is checked before anything is rendered: a switch that the template does not know would be
# ignored in silence.

# %%
verdicts = [preflight.thinking_switch(policy, params)]

# %% [markdown]
# ## Three examples as the model will see them
#
# Green tokens are supervised, dim ones are context. A good mask begins exactly where the completion begins and
# includes the token that ends the turn.

# %%
for row in splits["train"][:3]:
    example = chat.loss_mask_example(policy.tokenizer, row["prompt"], row["gold"], params.chat.enable_thinking)
    rich.print(chat.show_mask(example))
    rich.print()

# %% [markdown]
# ## The checks
#
# The installed versions against the pins: trainers change their defaults between versions, silently. And what the
# parameters ask of the machine: an absent GPU is *unknown*, not a refusal, for this may not be the machine that
# runs.

# %%
verdicts += preflight.versions()
verdicts.append(preflight.hardware(params))

# %% [markdown]
# The data: no entity in two splits, and the longest prompt of all of it, not of a sample, leaves room for a
# completion.

# %%
verdicts.append(preflight.disjoint(splits))
verdicts.append(preflight.lengths(policy, splits, params))

# %% [markdown]
# The chat template: the same ids after a round trip, one beginning-of-sequence token, and a turn that ends
# generation.

# %%
verdicts += preflight.template(policy, splits["train"][:64], params)

# %% [markdown]
# One greedy token, through the engine that calibration and validation will use.

# %%
verdicts.append(preflight.one_token(engine, splits["heldout"][0], params))

# %% [markdown]
# The scorers: each reference must score high and an empty answer low, or the reward teaches the wrong thing.

# %%
verdicts += preflight.rewards(splits["heldout"])

# %% [markdown]
# ## What was found
#
# A good table has no line above the passes. *Unknown* says what could not be judged here and why.

# %%
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
