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
# # Calibrate the rewards before paying for GRPO
#
# **Does**: draws several completions per held-out prompt at the training and at the deployment temperature, and
# scores them by task. **Needs**: the weights GRPO will start from. **Costs**: rows × samples × 2 completions.
#
# A policy that always fails or always succeeds gives GRPO nothing to learn from; one that runs into the ceiling is
# judged on half a sentence.

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

from caderno import chat, data, evaluation, generation, plots, runs, tables, tracking
from caderno.training import policies

# %%
stage = runs.open_stage("calibration", params_file, run_dir)
tracking.open(stage)
params = stage.params

# %%
tables.settings(params, "calibration", "engine")

# %% [markdown]
# ## The held-out rows and the policy that GRPO will start from

# %%
splits = data.build(params)
rows = splits["heldout"][: params.calibration.rows]

# %%
policy = policies.start(stage)
engine = policies.engine(stage)

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
# ## The completions
#
# As GRPO will draw them: several per prompt, each with its own seed.

# %%
spec = params.calibration
thinking = params.chat.enable_thinking
training = generation.Sampling.of(spec.training, samples=spec.samples, seed=params.seed)
drawn = {
    "training": evaluation.samples(
        engine, rows, training, arm="start", run=params.name, enable_thinking=thinking, progress=True
    )
}

# %% [markdown]
# As users will see them: one per prompt.

# %%
deployment = generation.Sampling.of(spec.deployment, seed=params.seed)
drawn["deployment"] = evaluation.samples(
    engine, rows, deployment, arm="start", run=params.name, enable_thinking=thinking, progress=True
)

# %%
result = evaluation.calibration(drawn)
stage.result(result)
stage.samples([sample for found in drawn.values() for sample in found])

# %% [markdown]
# ## What GRPO would start from
#
# A good calibration has a mean reward well inside (0, 1) for every task at the training temperature, few completions
# at the ceiling, and no thought left open.

# %%
tables.calibration(result)

# %%
figure = plots.calibration(result)
stage.figure("calibration", figure)
figure

# %% [markdown]
# How the scores spread: two peaks at 0 and 1 within a task are groups that GRPO can learn from.

# %%
figure = plots.score_distribution(drawn["training"])
stage.figure("scores", figure)
figure

# %% [markdown]
# The worst of them, with the reason: a good reason names what the completion lacks, not what the scorer cannot read.

# %%
tables.samples(drawn["training"])

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
stage.close()

# %% [markdown]
# Next: `30_grpo`.
