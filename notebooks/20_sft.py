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
# # Teach the tasks by example (SFT)
#
# **Does**: supervised fine-tuning on the tasks' reference completions, by TRL's SFTTrainer. **Needs**: a passed
# preflight. **Costs**: `sft.epochs` passes over `data.sft_rows` rows.
#
# SFT teaches form; what it leaves open, GRPO can improve.

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

from caderno import chat, data, plots, runs, tables, tasks, tracking
from caderno.training import policies, sft

# %%
stage = runs.open_stage("sft", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "sft", "model", "data")

# %% [markdown]
# ## The rows and the policy
#
# The held-out rows share no entity with the training rows; the test rows are not opened here.

# %%
splits = data.build(params)
train_rows = splits["train"][: params.data.sft_rows]
policy = policies.start(stage, for_training=True)

# %% [markdown]
# ## Three examples as the model will see them
#
# Green tokens are supervised, dim ones are context. A good mask begins exactly where the completion begins and
# includes the token that ends the turn.

# %%
for row in splits["train"][:3]:
    example = chat.loss_mask_example(policy.tokenizer, row["prompt"], tasks.reference(row), params.chat.enable_thinking)
    rich.print(chat.show_mask(example))
    rich.print()

# %% [markdown]
# ## The training
#
# Rows longer than the limit are named and left out, never cut.

# %%
train = sft.dataset(train_rows, policy, stage)
heldout = sft.dataset(splits["heldout"], policy, stage)

# %%
trainer = sft.trainer(policy, train, heldout, stage)

# %%
result = sft.train(trainer, stage)

# %%
policies.keep(stage, policy)
stage.result(result)

# %% [markdown]
# ## How it went
#
# In a good run both losses fall and the held-out one levels off. Where it turns up while the training loss falls,
# the rows are being memorised: fewer epochs.

# %%
metrics = list(runs.whole_lines(stage.directory / "metrics.jsonl"))
figure = plots.losses(metrics)
stage.figure("losses", figure)
figure

# %%
result

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: `10_calibration` where it comes after SFT, else `30_grpo`.
