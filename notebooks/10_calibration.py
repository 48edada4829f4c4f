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
# **Does**: draws several completions per held-out prompt at the training and at the deployment temperature, and of
# as many of GRPO's own prompts; scores them by task, and says go or no-go. **Needs**: the weights GRPO will start
# from. **Costs**: rows × samples × 3 completions.
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

from caderno import calibration, chat, data, evaluation, guards, plots, runs, tables, tasks, tracking
from caderno.guards import probe_ticket
from caderno.training import policies

stage = runs.open_stage("calibration", params_file, run_dir)
tracking.open(stage)
params = stage.params
tables.settings(params, "calibration", "engine", "chat")

# %% [markdown]
# ## The held-out rows and the policy that GRPO will start from

# %%
splits = data.build(params)
rows = splits["heldout"][: params.calibration.rows]
policy = policies.start(stage)
engine = policies.engine(stage)

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
# ## The completions
#
# As GRPO will draw them: several per prompt, each with its own seed. And as users will see them: once per prompt where
# they are greedy, and thoughts ended by force where `chat.hard_think_budget` says so.

# %%
drawn = {kind: evaluation.calibrating(engine, rows, params, kind) for kind in ("training", "deployment")}

# %% [markdown]
# And GRPO's own prompts, as it will draw them: SFT may have seen them, and then they are solved more often than
# held-out ones and their groups agree more often. They stay out of `samples.jsonl`, by which noise is measured.

# %%
own = calibration.rollout_rows(splits["train"], params)
rollouts = evaluation.calibrating(engine, own, params, "training")

# %%
samples = [sample for found in drawn.values() for sample in found]
room = calibration.room_tokens(engine, [*samples, *rollouts])
result = calibration.analyse(drawn, params, rollouts=rollouts, room_tokens=room)
stage.result(result)
stage.samples(samples)
stage.ledger(evaluation.ledger(samples, params))

# %% [markdown]
# ## The ticket
#
# Go, go with changes, or no-go. A reason holds only where its interval says so; what too few prompts leave open is
# told as such. In the figure good groups disagree: prompts in the middle on the left, curves that fall on the right.

# %%
rich.print(f"[bold]{result['ticket']['answer']}[/bold] {result['ticket']['about']}")
tables.ticket(result)

# %%
tables.proposals(result)

# %%
figure = plots.groups(result)
stage.figure("groups", figure)
figure

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
# What breaks the form of completions, with an example of each kind; and the worst completions, with the reason: a good
# reason names what the completion lacks, not what the scorer cannot read. Rows that no scorer can judge are counted
# above and left out here.

# %%
tables.failures(result)

# %%
tables.samples(evaluation.scored(drawn["training"]))

# %% [markdown]
# ## The gate
#
# The verdicts decide: the parameters say which of them stop a run.

# %%
verdicts = guards.judge(probe_ticket.NAMES, {"ticket": result["ticket"]})
stage.guards([verdict.as_dict() for verdict in verdicts])
tables.verdicts(verdicts)

# %%
stage.close()

# %% [markdown]
# Next: `30_grpo`.
