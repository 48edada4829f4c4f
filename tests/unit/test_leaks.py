"""The leak scan over files: each kind planted and found with its rows, clean controls, templates."""

from __future__ import annotations

import random

import materials
import pytest
from leak_rows import common_words, records, written

from caderno import tasks
from caderno.data import leaks
from caderno.errors import BadInput

KINDS = ("exact", "normalised", "entity", "ngram")


@pytest.fixture
def scanned(tmp_path):
    """Scans rows as files and returns the one training set's entry, with the whole result under "all"."""

    def scan(train: list[dict], evals: list[dict], **options) -> dict:
        names = written(tmp_path / "train.jsonl", train), written(tmp_path / "eval.jsonl", evals)
        found = leaks.find(names[0], [names[1]], options=leaks.Options(**options))
        return found["train"][0] | {"all": found}

    return scan


def pairs(found: dict, kind: str) -> set[tuple[int, int]]:
    return {(pair["eval"]["row"], pair["train"]["row"]) for pair in found[kind]["pairs"]}


def counts(found: dict) -> dict[str, int]:
    return {kind: found[kind]["rows"] for kind in KINDS}


def test_a_clean_set_is_clean(scanned):
    found = scanned(records(1, 300), records(2, 100))
    assert counts(found) == dict.fromkeys(KINDS, 0) and found["ngram"]["any"] == 0
    assert found["all"]["verdict"] == "clean" and found["rows"] == 300
    assert found["exact"]["n"] == 100 and found["exact"]["share"] == 0


def test_each_kind_is_found_where_it_was_planted_and_nowhere_else(scanned):
    train, evals = records(1, 3000), records(2, 200)
    train[99]["question"] = evals[9]["question"]
    train[199] |= {"question": evals[19]["question"].upper(), "answer": evals[19]["answer"].upper()}
    train[299]["question"] = evals[29]["question"].replace("á", "a").replace("ã", "a").replace(" ", "\n ") + " !"
    train[2399]["question"] = common_words(train[2399], evals[39], 12)
    train[2499]["group"] = evals[49]["group"]
    found = scanned(train, evals)
    assert pairs(found, "exact") == {(10, 100)}
    assert pairs(found, "normalised") == {(20, 200), (30, 300)}
    assert pairs(found, "ngram") == {(40, 2400)}
    assert pairs(found, "entity") == {(50, 2500)}
    assert counts(found) == {"exact": 1, "normalised": 3, "entity": 1, "ngram": 4}
    assert found["normalised"]["share"] == 3 / 200 and found["normalised"]["same_completion"] == 1
    [pair] = found["ngram"]["pairs"]
    assert pair["words"] == 12 and pair["text"].split() == [fold(word) for word in evals[39]["question"].split()[5:17]]
    assert pair["shares"]["prompt"] == pytest.approx(5 / 33, abs=1e-4)
    assert found["all"]["verdict"] == "leak"


def fold(word: str) -> str:
    from caderno.tasks.base import fold

    return fold(word)


def test_ngram_hits_alone_are_for_review(scanned):
    train, evals = records(1, 50), records(2, 50)
    train[7]["question"] = common_words(train[7], evals[3], 12)
    assert scanned(train, evals)["all"]["verdict"] == "review"
    above = scanned(train, evals, min_share=0.2)
    assert above["all"]["verdict"] == "clean" and above["ngram"]["any"] == 1
    assert scanned(train, evals, ngram=13)["ngram"]["any"] == 0
    train[7]["question"] = common_words(records(1, 8)[7], evals[3], 7)
    assert scanned(train, evals)["ngram"]["any"] == 0


def test_copied_answers_and_texts_in_one_column_are_ngram_hits(scanned):
    evals = records(2, 50)
    train = [*records(1, 50), {"text": f"Pergunta: {evals[4]['question']} Resposta: {evals[4]['answer']}"}]
    train[20]["answer"] = evals[8]["answer"].title()
    found = scanned(train, evals)
    assert pairs(found, "ngram") == {(5, 51), (9, 21)} and counts(found)["normalised"] == 0
    shares = {pair["eval"]["row"]: pair["shares"] for pair in found["ngram"]["pairs"]}
    assert shares[9]["completion"] == 1 and shares[9]["prompt"] == 0 and shares[5]["prompt"] == 1


def templated(names: list[str], seed: int, n: int) -> list[dict]:
    """Rows of one long template with two slots, as generated tasks have it."""
    rng = random.Random(seed)
    text = (
        "leia com atenção a ficha do cliente abaixo e escreva uma resposta curta em português. cliente: {}. pedido: "
        "{}. não invente dados, não prometa prazos e termine com uma saudação da loja."
    )
    return [{"question": text.format(rng.choice(names), rng.randint(10**5, 10**6)), "answer": "ok"} for _ in range(n)]


def test_a_shared_template_is_no_hit_and_is_shown(scanned):
    train, evals = templated(["ana", "rui", "eva"], 1, 200), templated(["léo", "bia", "ivo"], 2, 40)
    found = scanned(train, evals)
    assert counts(found) == dict.fromkeys(KINDS, 0) and found["all"]["verdict"] == "clean"
    idle = found["boilerplate"]
    assert idle["ngrams"] >= 20 and idle["examples"][0]["eval_rows"] == 40 and idle["examples"][0]["train_rows"] == 200
    assert idle["examples"][0]["text"] == "leia com atencao a ficha do cliente abaixo"
    train[17] = dict(evals[5])
    found = scanned(train, evals)
    assert pairs(found, "exact") == {(6, 18)} and counts(found)["normalised"] == 1


def test_copies_of_one_row_are_no_template(scanned):
    """A leaked passage repeated fifty times, or asked about in ten copies of an evaluation row, is still a leak."""
    train, evals = records(1, 300), records(2, 60)
    passage = common_words(train[0], evals[3], 20)
    train[:50] = [train[0] | {"question": passage, "group": f"c{i}"} for i in range(50)]
    evals += [dict(evals[3]) for _ in range(9)]
    found = scanned(train, evals)
    assert found["boilerplate"]["ngrams"] == 0 and found["ngram"]["rows"] == 10
    varied = [row | {"question": f"{row['question']} {i}"} for i, row in enumerate(train[:50])]
    assert scanned(varied + train[50:], evals)["boilerplate"]["ngrams"] == 13


@pytest.mark.parametrize("task", ["extraction", "push", "insights", "sql_qa"])
def test_the_generated_tasks_do_not_leak(scanned, task):
    train, test = (tasks.task(task).rows(materials.shop(split), 60, 0) for split in ("train", "test"))
    found = scanned(train, test)
    assert [found[kind]["rows"] for kind in ("exact", "normalised", "entity")] == [0, 0, 0]
    assert max((pair["shares"]["prompt"] for pair in found["ngram"]["pairs"]), default=0) < 0.5
    assert scanned(train + test[5:6], test)["exact"]["rows"] == 1


def test_short_and_empty_rows_are_counted(scanned):
    evals = [*records(2, 3), {"question": "quanto é 5 - 3?"}, {"question": "  "}, {"question": "?!"}]
    train = [*records(1, 3), {"question": "QUANTO É 5-3"}, {"question": ""}, {"question": "...", "answer": ""}]
    found = scanned(train, evals)
    [of] = found["all"]["eval"]
    assert (of["rows"], of["empty"], of["too_short"]) == (6, 2, 3) and found["empty"] == 2
    assert pairs(found, "normalised") == {(4, 4)}
    with pytest.raises(BadInput, match="no row has any text"):
        scanned(train, [{"question": "?"}])


def test_pairs_are_capped_and_counts_are_not(scanned):
    rows = records(2, 30)
    found = scanned(records(1, 5) + rows + rows, rows)
    assert found["exact"]["rows"] == 30 and len(found["exact"]["pairs"]) == 20
    assert found["exact"]["pairs"][0]["train"] == {"row": 6, "id": None, "rows": 2}
    assert len(scanned(rows, rows, pairs=50)["exact"]["pairs"]) == 30


def test_sets_are_counted_apart_and_ancestors_named(tmp_path):
    second = records(3, 15)
    sets = {"clean": records(1, 20), "first": records(2, 10), "second": second}
    names = [written(tmp_path / f"{name}.jsonl", rows) for name, rows in sets.items()]
    older = written(tmp_path / "older.jsonl", [*records(4, 5), second[3]])
    found = leaks.find(names[0], names[1:], [older])
    assert [(entry["name"], entry["relation"]) for entry in found["train"]] == [
        (names[0], "TRAIN"),
        (older, "--ancestor"),
    ]
    assert found["train"][0]["exact"]["rows"] == 0
    assert found["train"][1]["exact"]["by_set"] == {names[1]: 0, names[2]: 1}
    assert found["verdict"] == "leak"


def test_other_forms_of_file(tmp_path):
    import pandas as pd

    evals = records(2, 12)
    names = [written(tmp_path / "eval.jsonl", evals)]
    chats = [{"messages": [{"role": "user", "content": row["question"].upper()}]} for row in evals[:3]]
    pd.DataFrame(chats).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame({"pergunta": [row["question"] for row in evals[:4]]}).to_csv(tmp_path / "b.csv", index=False)
    assert leaks.find(str(tmp_path / "a.parquet"), names)["train"][0]["normalised"]["rows"] == 3
    with pytest.raises(BadInput, match=r"b.csv, row .*pergunta.*--columns"):
        leaks.find(str(tmp_path / "b.csv"), names)
    options = leaks.Options(columns=leaks.columns_of(["prompt=pergunta|question"]))
    assert leaks.find(str(tmp_path / "b.csv"), names, options=options)["train"][0]["exact"]["rows"] == 4


@pytest.mark.parametrize(
    ("options", "where"), [({"ngram": 1}, "ngram"), ({"min_share": 2}, "min_share"), ({"common": -1}, "common"),
                           ({"pairs": 0}, "pairs")],
)  # fmt: skip
def test_options_out_of_range_are_refused(options, where):
    with pytest.raises(BadInput, match=where):
        leaks.Options(**options)
