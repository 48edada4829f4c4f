"""Results, metrics and samples as the stages write them, drawn from a seed; no stage is run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from caderno import stats

TASKS = {"extraction": 158, "sql_qa": 158, "push": 54, "insights": 30}
START = {"extraction": 0.42, "sql_qa": 0.72, "push": 0.55, "insights": 0.40}  # mean reward after SFT, T = 1
GAIN = {"extraction": 0.10, "sql_qa": 0.17, "push": 0.22, "insights": -0.06}
PROMPTS = {
    "extraction": "Avaliação de Rafael Siqueira (Campina Grande, 2 estrelas): «Comprei uma garrafa térmica e chegou "
    "9 dias atrasada… a tampa veio rachada. Quero meu dinheiro de volta!!»\nExtraia os dez campos em JSON.",
    "sql_qa": "Quantos pedidos pagos com boleto foram entregues em São Luís com atraso?",
    "push": "Cliente: Márcia. Produto: cafeteira italiana. Escreva uma notificação de até 120 caracteres.",
    "insights": "| cidade | pedidos | atraso médio |\n|---|---|---|\n"
    "| Natal | 41 | 3,2 |\n| Belém | 17 | 8,9 |\nAnalise.",
}
ANSWERS = {
    "extraction": '{"produto": "garrafa térmica", "nota": 2, "sentimento": "negativo", "problema": "atraso"}',
    "sql_qa": "```sql\nSELECT count(*) FROM orders JOIN payments USING (order_id)\n"
    "WHERE method = 'boleto'\n```\nForam 12.",
    "push": "Márcia, sua cafeteira italiana está esperando ☕ Leve hoje com frete grátis!",
    "insights": "Belém atrasa 8,9 dias em média. Recomendo <!-- people: next --> trocar a transportadora.",
}
WHY = {True: "all fields right", False: "cidade: got 'Natal' | expected 'Belém'; 3 of 10 *fields* wrong"}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1))


def write_lines(path: Path, lines: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def grpo_metrics(rng: np.random.Generator, steps: int = 60) -> list[dict]:
    """TRL's keys; reward rises, entropy falls, an evaluation every 15 steps."""
    lines, wall = [], 0.0
    for step in range(1, steps + 1):
        way = 1 - np.exp(-step / 25)
        seconds = 1.9 + rng.normal(0, 0.15) + (1.5 if step == 1 else 0)
        wall += seconds
        lines.append(
            {
                "step": step,
                "wall_s": round(wall, 2),
                "reward": 0.46 + 0.2 * way + rng.normal(0, 0.035),
                "reward_std": 0.2 + rng.normal(0, 0.02),
                "frac_reward_zero_std": float(np.clip(0.08 + 0.25 * way + rng.normal(0, 0.05), 0, 1)),
                "entropy": 0.18 - 0.06 * way + rng.normal(0, 0.006),
                "completions/mean_length": 31 + 4 * way + rng.normal(0, 1.2),
                "completions/clipped_ratio": max(0.0, 0.05 - 0.04 * way + rng.normal(0, 0.01)),
                "clip_ratio/region_mean": 0.0,
                "loss": rng.normal(0, 0.01),
                "step_time": seconds,
            }
        )
        if step % 15 == 0:
            lines.append({"step": step, "wall_s": round(wall, 2), "eval_reward": 0.45 + 0.18 * way})
    return lines


def sft_metrics(rng: np.random.Generator, steps: int = 40) -> list[dict]:
    lines = []
    for step in range(1, steps + 1):
        value = 0.35 + 1.6 * np.exp(-step / 9)
        lines.append({"step": step, "wall_s": 0.3 * step, "loss": value + rng.normal(0, 0.05)})
        if step % 10 == 0:
            lines.append({"step": step, "wall_s": 0.3 * step, "eval_loss": value + 0.06 + 0.001 * step})
    return lines


def scores(rng: np.random.Generator, task: str, n: int, arm: str, temperature: float) -> np.ndarray:
    """Rewards of n prompts, in [0, 1], with mass at 0.2 (format alone) and at 1."""
    mean = START[task] + (GAIN[task] if arm == "grpo" else 0) + (0.12 if temperature == 0 else 0)
    full = rng.uniform(size=n) < max(0.02, mean - 0.25)
    return np.where(full, 1.0, np.round(np.clip(rng.beta(3, 4, n), 0, 0.95), 3))


def validation(rng: np.random.Generator) -> tuple[dict, list[dict]]:
    """result.json and samples.jsonl of 40-validation."""
    by_arm, paired, samples = [], [], []
    for temperature in (0.0, 1.0):
        drawn = {(t, a): scores(rng, t, n, a, temperature) for t, n in TASKS.items() for a in ("sft", "grpo")}
        for task in ("all", *TASKS):
            arms = {
                arm: np.concatenate([drawn[t, arm] for t in TASKS]) if task == "all" else drawn[task, arm]
                for arm in ("sft", "grpo")
            }
            by_arm += [arm_entry(temperature, task, arm, values, rng) for arm, values in arms.items()]
            paired.append(pair_entry(temperature, task, arms["sft"], arms["grpo"]))
        samples += [
            sample(task, arm, temperature, i, value, rng)
            for (task, arm), values in drawn.items()
            for i, value in enumerate(values)
        ]
    n = sum(TASKS.values())
    return {"arms": ["sft", "grpo"], "n_prompts": n, "confidence": 0.95, "by_arm": by_arm, "paired": paired}, samples


def arm_entry(temperature: float, task: str, arm: str, values: np.ndarray, rng: np.random.Generator) -> dict:
    return {
        "temperature": temperature,
        "task": task,
        "arm": arm,
        "n": len(values),
        "mean_reward": asdict(stats.mean_interval(values)),
        "fully_correct": asdict(stats.proportion_interval(int((values == 1).sum()), len(values))),
        "mean_tokens": float(rng.uniform(25, 45)),
        "clipped_share": float(rng.uniform(0, 0.06)),
    }


def pair_entry(temperature: float, task: str, before: np.ndarray, after: np.ndarray) -> dict:
    return {
        "temperature": temperature,
        "task": task,
        "before": "sft",
        "after": "grpo",
        "mean_reward": asdict(stats.paired_difference(before, after)),
        "fully_correct": asdict(stats.paired_difference(before == 1, after == 1)),
    }


def sample(task: str, arm: str, temperature: float, i: int, value: float, rng: np.random.Generator) -> dict:
    return {
        "id": f"{task}-test-{i:04d}",
        "task": task,
        "arm": arm,
        "temperature": temperature,
        "sample": 0,
        "prompt": [{"role": "system", "content": "Você responde em JSON."}, {"role": "user", "content": PROMPTS[task]}],
        "completion": ANSWERS[task],
        "gold": ANSWERS[task],
        "score": float(value),
        "parts": {"format": 1.0, "partial": float(value), "task": float(value)},
        "why": WHY[bool(value == 1)],
        "finish_reason": "stop",
        "tokens": int(rng.integers(15, 60)),
    }


def contributions() -> list[dict]:
    """Weights of two stages; means that grow, the task's own most."""
    found = []
    for task, start in START.items():
        means = {"format": (0.9, 0.98), "partial": (start, start + 0.15), "task": (start / 2, start / 2 + GAIN[task])}
        means |= {"think_efficiency": (0.7 * start, 0.9 * start)}
        weights = {"format": (0.6, 0.2), "partial": (0.3, 0.4), "task": (0.1, 0.4), "think_efficiency": (0.1, 0.1)}
        for component, mean in means.items():
            entry = {"task": task, "component": component, "steps": 10}
            for end, m, w in zip(("first", "last"), mean, weights[component], strict=True):
                entry |= {f"weight_{end}": w, f"mean_{end}": m, f"contribution_{end}": w * m}
            found.append(entry)
    return found


def calibration(rng: np.random.Generator) -> dict:
    rows = []
    for task in ("all", *TASKS):
        for sampling, temperature in (("training", 1.0), ("deployment", 0.0)):
            values = scores(rng, "push" if task == "all" else task, 16, "sft", temperature) * 0.4
            rows.append(
                {
                    "task": task,
                    "sampling": sampling,
                    "temperature": temperature,
                    "n": 64,
                    "mean_reward": asdict(stats.mean_interval(np.repeat(values, 4), groups=np.repeat(range(16), 4))),
                    "fully_correct": asdict(stats.proportion_interval(int(rng.integers(0, 9)), 64)),
                    "ceiling_share": float(rng.uniform(0, 0.4)),
                    "mean_tokens": float(rng.uniform(20, 80)),
                    "think_tokens_mean": float(rng.uniform(15, 40)),
                    "think_tokens_p95": float(rng.uniform(55, 90)),
                    "unclosed_share": float(rng.uniform(0, 0.2)) if sampling == "training" else 0.0,
                }
            )
    return {"by_task": rows}
