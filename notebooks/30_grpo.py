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
# # Improve the policy by its own rewards (GRPO)
#
# **Does**: group relative policy optimisation on the tasks' scores, by TRL's GRPOTrainer. **Needs**: a policy that
# solves some prompts and fails others. **Costs**: `grpo.max_steps` × `prompts_per_step` × `group_size` completions.
#
# Read `clip_ratio` = 0 for what it is: with one update per rollout the ratio is 1 by construction, and the clip says
# nothing.

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
from caderno.training import grpo, policies

# %%
stage = runs.open_stage("grpo", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "grpo", "rewards", "tasks", "chat")

# %% [markdown]
# ## The prompts and the policy

# %%
splits = data.build(params)
train_rows = splits["train"][: params.grpo.train_prompts]
policy = policies.start(stage, for_training=True)

# %% [markdown]
# ## Three examples as the model will see them
#
# Green tokens are supervised, dim ones are context. A good mask begins exactly where the completion begins and
# includes the token that ends the turn.

# %%
for row in splits["train"][:3]:
    completion = tasks.reference(row)
    example = chat.loss_mask_example(policy.tokenizer, row["prompt"], completion, params.chat.enable_thinking)
    rich.print(chat.show_mask(example))
    rich.print()

# %% [markdown]
# ## The training
#
# Each task has a reward function of its own, which leaves the other tasks' rows alone: a curve per task for nothing.

# %%
trainer = grpo.trainer(policy, train_rows, splits["heldout"], stage)

# %%
result = grpo.train(trainer, stage)

# %%
policies.keep(stage, policy)
stage.result(result)

# %% [markdown]
# ## How it went
#
# A good run shows a reward that rises and levels off, an entropy that falls slowly and stays above 0, and lengths
# that do not creep to the ceiling. A reward that rises while the held-out reward does not is being gamed.

# %%
metrics = list(runs.whole_lines(stage.directory / "metrics.jsonl"))
figure = plots.training_curves(metrics)
stage.figure("curves", figure)
figure

# %% [markdown]
# The reward of every task. One that stays flat at 0 or 1 gives its groups no variance, and so no gradient.

# %%
figure = plots.training_curves(metrics, [f"rewards/{name}/mean" for name in params.tasks])
stage.figure("rewards", figure)
figure

# %% [markdown]
# What each component brought: its weight times its mean, at the start and at the end. Format that grows while the task
# stays is a policy that learns the form of an answer and not the answer.

# %%
figure = plots.contributions(result["contributions"])
stage.figure("contributions", figure)
figure

# %%
{key: value for key, value in result.items() if key != "contributions"}

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: `40_validation`.
