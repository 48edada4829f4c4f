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
# # Pretrain the tiny base from nothing
#
# **Does**: builds a tokenizer and a Qwen3-architecture model, and trains it on the generated corpus of the shop.
# **Needs**: two CPU cores and nothing else. **Costs**: what `pretrain.tokens` says; `params/tiny_base.yaml` names
# the time of the model that ships with the workspace.
#
# The corpus holds no prompt of a task, and no entity of the held-out or test split outside the random drills.

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
from caderno import plots, runs, tables, tracking
from caderno.training import policies, pretrain

# %%
stage = runs.open_stage("pretrain", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "pretrain")

# %% [markdown]
# ## The model before training
#
# The tokenizer has one token for each word of the small profile and for each digit, and letters for any other word.

# %%
policy = pretrain.start(params)
policy.info

# %% [markdown]
# Three documents of the corpus as tokens see them: in pretraining every token is supervised.

# %%
for text in pretrain.examples(params, policy.tokenizer, n=3):
    print(text, end="\n\n")

# %% [markdown]
# ## The training
#
# transformers' Trainer with Muon for the matrices and AdamW for the rest. Interrupted, it goes on from its newest
# checkpoint.

# %%
trainer = pretrain.trainer(policy.model, policy.tokenizer, stage)

# %%
result = pretrain.train(trainer, stage)

# %%
policies.keep(stage, policy)
stage.result(result)

# %% [markdown]
# ## How it went
#
# A good curve falls fast, then slowly until the end, and the held-out loss lies on the training loss: the corpus
# does not repeat, so there is nothing to over-fit. The loss before training is near ln V, that of guessing among V
# tokens.

# %%
metrics = list(runs.whole_lines(stage.directory / "metrics.jsonl"))
figure = plots.losses(metrics)
stage.figure("losses", figure)
figure

# %%
result

# %% [markdown]
# What it writes by itself, before it has been taught any task:

# %%
for line in pretrain.continuations(policy, n=3):
    print(line, end="\n\n")

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: `20_sft`, or, to ship this base, `python scripts/build_tiny_base.py`.
