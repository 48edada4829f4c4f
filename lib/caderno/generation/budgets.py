"""Thinking budgets in tokens: whether they can be kept, how much a prompt has spent, and where one was spent.

It forces nothing; that is the engines' work (`choosing` for transformers, vLLM's own for vLLM).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from caderno.errors import BadInput
from caderno.thinking import THINK_CLOSE, THINK_OPEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from caderno.generation import Request

KEY = "chat.hard_think_budget"


def token_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int | None:
    """Id of a token, None where the tokenizer does not have it."""
    found = tokenizer.convert_tokens_to_ids(token)
    return None if found is None or found == tokenizer.unk_token_id else found


def tag_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """Ids of the thinking tags. Raises BadInput where one of them is not a single token."""
    ids = {tag: token_id(tokenizer, tag) for tag in (THINK_OPEN, THINK_CLOSE)}
    missing = [tag for tag, found in ids.items() if found is None]
    if missing:
        raise BadInput(
            f"{', '.join(missing)} is not a token of this tokenizer", expected="thinking tags of one token each",
            where=KEY, mend="Leave the budget out: this model does not think between tags.",
        )  # fmt: skip
    return ids[THINK_OPEN], ids[THINK_CLOSE]


def require(tokenizer: PreTrainedTokenizerBase, budgets: Sequence[int | None], max_new_tokens: int) -> None:
    """Refuses budgets without tags to force, and budgets that leave no token for the answer. None: no budget."""
    asked = [budget for budget in budgets if budget is not None]
    if not asked:
        return
    tag_ids(tokenizer)
    if max(asked) >= max_new_tokens:
        raise BadInput(
            f"a thought may take {max(asked)} tokens of a completion of {max_new_tokens}",
            expected=f"a budget below {max_new_tokens}, or there is no answer after it", where=KEY,
            mend="Lower the budget (a task's own: tasks.<name>.think_budget_tokens), or raise max_new_tokens.",
        )  # fmt: skip


def open_thought_tokens(ids: Sequence[int], open_id: int, close_id: int) -> int | None:
    """Tokens after a `<think>` that a prompt leaves open, None where it leaves none."""
    last = next((back for back, token in enumerate(reversed(ids)) if token in (open_id, close_id)), None)
    return last if last is not None and ids[-1 - last] == open_id else None


def forced(request: Request, token_ids: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Places of the `</think>` that came when the request's budget was spent; none without a budget."""
    if request.thinking_token_budget is None:
        return ()
    open_id, close_id = tag_ids(tokenizer)
    spent = open_thought_tokens(request.prompt_ids, open_id, close_id)
    thinking, spent, places = spent is not None, spent or 0, []
    for place, token in enumerate(token_ids):
        if thinking and spent >= request.thinking_token_budget and token == close_id:
            places.append(place)
        spent += thinking
        thinking = (thinking or token == open_id) and token != close_id
    return tuple(places)
