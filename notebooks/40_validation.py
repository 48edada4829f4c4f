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
# # Validate on prompts that nothing was tuned on
#
# **Does**: completes the test split with the policy before and after the last training, greedy and at T = 1, and
# compares them prompt by prompt. **Needs**: the weights of both. **Costs**: test rows × temperatures × 2
# completions.
#
# The test split is opened here and nowhere else.

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

from caderno import chat, data, evaluation, plots, runs, tables, tasks, tracking
from caderno.training import policies

# %%
stage = runs.open_stage("validation", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "validation", "engine", "chat")

# %% [markdown]
# ## The test rows and the two arms

# %%
splits = data.build(params)
before, after = policies.arms(stage)
before, after

# %%
policy = policies.start(stage)

# %% [markdown]
# ## Three examples as the model will see them
#
# Green tokens are supervised, dim ones are context. A good mask begins exactly where the completion begins and
# includes the token that ends the turn.

# %%
for row in splits["test"][:3]:
    completion = tasks.reference(row)
    example = chat.loss_mask_example(policy.tokenizer, row["prompt"], completion, params.chat.enable_thinking)
    rich.print(chat.show_mask(example))
    rich.print()

# %% [markdown]
# ## The completions
#
# Both arms draw with the same seeds, so that a pair shares its noise and differs by its policy.

# %%
engine = policies.engine(stage, before)
drawn = {before: evaluation.at_temperatures(engine, splits["test"], params, arm=before)}
engine.close()

# %%
engine = policies.engine(stage, after)
drawn[after] = evaluation.at_temperatures(engine, splits["test"], params, arm=after)
engine.close()

# %%
result = evaluation.validation(drawn, params.validation.confidence)
samples = [sample for found in drawn.values() for sample in found]
stage.result(result)
stage.samples(samples)
stage.ledger(evaluation.ledger(samples, params))

# %% [markdown]
# ## What changed
#
# A gain is one whose interval lies above 0; an interval across 0 is no detectable change, whatever its middle says.
# Read the tasks one by one: a mean can rise while a task falls.

# %%
tables.validation(result)

# %%
figure = plots.before_after(result)
stage.figure("before_after", figure)
figure

# %% [markdown]
# Where the last policy still fails, with the reason:

# %%
tables.samples(evaluation.scored(drawn[after]))

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: the write-up. `caderno run` writes it after the last stage; `caderno writeup RUN` does so by hand.
