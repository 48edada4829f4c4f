"""How an answer in Portuguese is written: characters, length, language, repetition, and phrases that betray it.

It knows no task and no facts. Lists catch what they list: a contradiction in words of its own is not seen here.
"""

from __future__ import annotations

import re
import unicodedata

import regex

from caderno.tasks.base import fold

# What may stand in an answer: Latin letters, ASCII digits, punctuation, symbols and emoji. Not zero-width or
# bidirectional marks, letters of other scripts that look like these, styled digits, stacked accents, strange blanks.
_ODD = regex.compile(
    r"[^\p{Latin}0-9\p{P}\p{S} \n\r\t\u00A0\u202F\u200D\uFE0F\u20E3]"
    r"|\u2800"  # braille blank: a symbol that shows nothing
    r"|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D|\u200D(?!\p{Extended_Pictographic})"
    r"|(?<![\p{Extended_Pictographic}\p{Emoji_Modifier}])(?<![0-9#*](?=\uFE0F\u20E3))\uFE0F|(?<![0-9#*]\uFE0F?)\u20E3"
)
_ODD_ASCII = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_CLUSTER = regex.compile(r"\X")
_EMOJI = regex.compile(r"\p{Extended_Pictographic}|\p{Regional_Indicator}{2}")
_RUN = re.compile(r"([^\d\s])\1{3}")
_MARKS = regex.compile(r"[\p{P}\p{S}]")
_FIRST_COMBINING = "\u0300"
MAX_EMOJI = 3
MAX_MARKS_SHARE = 0.25  # of the characters that are no spaces
MAX_REPEATED_SHARE = 0.15  # of the three-word sequences
MIN_DISTINCT_SHARE = 0.6  # of the first words

# Words that present an answer and cannot say anything for or against what it says.
PRESENTING = frozenset(
    "a abaixo ai ajudado ajude analise aqui as avaliacao campos certo claro com conforme da dados de do em esta estao "
    "espero extracao extraidos final formato json notificacao o objeto ok os pedido pronto que resposta resultado "
    "saida segue seguem seguinte solicitado tabela ter um".split()
)
MAX_PRESENTING_WORDS = 15
_PLAIN_MARKS = re.compile(r"[\w\s.,:;!*`#-]*")

# Small words, folded. "off" is no foreign word in a Brazilian shop.
PORTUGUESE = frozenset(
    "a ao aos as ate com como da das de do dos e ela ele em entao essa esse esta este eu foi hoje ja la mais melhor "
    "menos mesmo meu minha muito na nas no nos nao o oi ola onde os ou para pela pelo por pra pro que quem se sem ser "
    "seu seus so sua suas sao tambem te tem ter teu tua tudo um uma voce voces vai agora aqui ai sobre cada entre "
    "nova novo quando ainda".split()
)
FOREIGN = frozenset(
    "the your you with and get now today this that our is are it of to in we buy only grab el los las con tus hoy y "
    "ahora su sus aprovecha descuento ti del lleva".split()
)
_WORD = re.compile(r"\w+")

BOILERPLATE = (
    "prezado cliente", "prezada cliente", "caro cliente", "cara cliente", "estimado cliente", "nao perca", "imperdivel",
    "clique aqui", "saiba mais", "lorem ipsum", "aqui esta", "segue a notificacao", "segue a mensagem", "segue o texto",
    "segue abaixo", "em resumo", "e importante ressaltar", "vale ressaltar", "nos dias de hoje",
    "insira aqui", "inserir aqui", "nome do cliente", "nome do produto",
)  # fmt: skip
REFUSALS = (
    "nao posso", "nao consigo", "nao devo", "nao sei", "nao vou", "nao sou capaz", "nao e possivel", "nao tenho acesso",
    "me recuso", "desculpe", "lamento", "sinto muito", "modelo de linguagem", "inteligencia artificial",
    "sou um assistente", "sou uma assistente", "como assistente", "i cannot", "i can't", "i'm sorry", "as an ai",
)  # fmt: skip
TO_THE_JUDGE = (
    "score", "reward", "ignore tudo", "ignore isso", "ignore o texto", "ignore o acima", "ignore o que",
    "ignore o resto", "ignore a resposta", "ignore as regras", "ignore all", "ignore the", "ignore previous",
    "instrucao", "instrucoes", "prompt", "avaliador", "avaliadora", "nota maxima", "pontuacao maxima",
    "resposta correta", "resposta certa", "gabarito", "system:", "assistant:", "override", "fully correct", "json",
)  # fmt: skip
TAKEN_BACK = (
    "na verdade", "mentira", "nao e verdade", "e falso", "desconsidere", "corrigindo:", "correcao:", "errata",
    "brincadeira", "nao acredite", "ou melhor", "pensando bem", "esta errado", "esta errada", "esta incorreto",
    "nada disso", "so que nao",
)  # fmt: skip


def _any_of(phrases: tuple[str, ...]) -> re.Pattern:
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, sorted(phrases, key=len, reverse=True)))})(?!\w)")


_BOILERPLATE, _REFUSAL, _JUDGE, _BACK = map(_any_of, (BOILERPLATE, REFUSALS, TO_THE_JUDGE, TAKEN_BACK))


def length(text: str) -> int:
    """Characters as a phone counts them: grapheme clusters of Unicode (UAX #29) after NFC. A family emoji is one."""
    if text.isascii():
        return len(text)
    text = unicodedata.normalize("NFC", text)
    return len(text) if max(text) < _FIRST_COMBINING else len(_CLUSTER.findall(text))


def odd_characters(text: str) -> bool:
    """Whether a character is hidden or stands for another: see `_ODD`. Line breaks and tabs are not odd."""
    if text.isascii():
        return _ODD_ASCII.search(text) is not None
    return _ODD.search(unicodedata.normalize("NFC", text)) is not None


def only_presents(text: str) -> bool:
    """Whether a text is a fence, or a few words that only present an answer, or both."""
    found = words(fold(text))
    fits = len(found) <= MAX_PRESENTING_WORDS and _PLAIN_MARKS.fullmatch(text) is not None
    return fits and PRESENTING.issuperset(found)


def words(text: str) -> list[str]:
    """The words of a (folded) text, figures among them."""
    return _WORD.findall(text)


def repeats(found: list[str], most: int) -> bool:
    """Whether words say the same again: three-word sequences, one word over and over, or too few different ones.

    A word of over three letters may come `most` times, and once more for every fifteen words.
    """
    if len(found) < 4:
        return False
    triples = list(zip(found, found[1:], found[2:], strict=False))
    if 1 - len(set(triples)) / len(triples) > MAX_REPEATED_SHARE:
        return True
    counted: dict[str, int] = {}
    for word in found:
        if len(word) > 3:
            counted[word] = counted.get(word, 0) + 1
    if max(counted.values(), default=0) > most + len(found) // 15:
        return True
    first = found[:40]
    return len(set(first)) / len(first) < MIN_DISTINCT_SHARE


def spams(text: str) -> bool:
    """Whether one character comes four times in a row, or emoji and punctuation crowd the words."""
    if _RUN.search(text) is not None:
        return True
    marks, ink = len(_MARKS.findall(text)), len(text) - text.count(" ")
    return marks > MAX_MARKS_SHARE * ink or (not text.isascii() and len(_EMOJI.findall(text)) > MAX_EMOJI)


def portuguese(found: list[str], least: int = 2) -> bool:
    """Whether `least` small words of Portuguese stand among folded words, and more of them than foreign ones."""
    ours = sum(word in PORTUGUESE for word in found)
    return ours >= least and ours > sum(word in FOREIGN for word in found)


def boilerplate(folded: str) -> bool:
    """Whether a folded text holds a stock phrase."""
    return _BOILERPLATE.search(folded) is not None


def betrays(folded: str) -> str | None:
    """What in a folded text no honest answer says, or None: a refusal, talk to the judge, taking back what was said."""
    if _REFUSAL.search(folded):
        return "recusa"
    if _JUDGE.search(folded):
        return "fala com quem avalia"
    return "desdiz o que disse" if _BACK.search(folded) else None
