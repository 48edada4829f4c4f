"""How people type: joining sentences, slang, lost accents, slips, capitals and the odd emoji.

It changes spelling and punctuation, never what is said; private characters (names, cities, days) pass untouched.
"""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass

WORD = re.compile(r"[^\W\d_\ue000-\ue003]+")
# Word -> what people type in a chat. The same word stays as it is in half of the cases.
SLANG = {
    "você": "vc vc ce",
    "vocês": "vcs vcs voces",
    "muito": "mto mt muitoo",
    "muita": "mta",
    "não": "n nao ñ nao",
    "também": "tb tbm",
    "porque": "pq",
    "que": "q",
    "para": "pra p",
    "pra": "p pra",
    "hoje": "hj",
    "mensagem": "msg",
    "mensagens": "msgs",
    "obrigado": "obg brigado",
    "obrigada": "obg brigada",
    "estou": "to tô",
    "está": "tá ta",
    "estava": "tava",
    "demais": "d+ demaiss",
    "comigo": "cmg",
    "quando": "qdo",
    "agora": "agr agora",
    "gente": "gnt gente",
    "produto": "prod produto",
    "com": "c",
    "mesmo": "msm",
    "nada": "nd nada",
    "tudo": "td tudo",
    "aqui": "aki aqui",
    "beleza": "blz",
}
# Slips of the ear and of the pen that Portuguese writers do make.
SLIPS = {
    "mas": "mais",
    "com certeza": "concerteza",
    "chegou": "chego chegol",
    "excelente": "exelente excelênte",
    "exatamente": "esatamente",
    "experiência": "experiencia esperiência",
    "encomenda": "encomeda",
    "atrasou": "atrazou",
    "atraso": "atrazo",
    "atrasado": "atrazado",
    "atrasada": "atrazada",
    "prazo": "praso",
    "decepção": "decepçao descepção",
    "rápido": "rapído",
    "ninguém": "niguem ninguem",
    "entregaram": "entregarão",
    "mandaram": "mandarão",
    "satisfeito": "sastifeito",
    "satisfeita": "sastifeita",
    "transportadora": "trasportadora",
    "de novo": "denovo",
    "a gente": "agente",
    "preciso": "presiso",
}
# What people put in capitals, word by word.
LOUD = re.compile(
    r"\b(?:não|nunca|nada|muito|muita|amei|adorei|péssim[oa]|horrível|vergonha|absurdo|super|demais|ninguém|perfeito|"
    r"top|recomendo|decepção|excelente|ótim[oa]|ridículo)\b"
)
HAPPY, ANGRY = ("😍", "👏", "👏👏", "❤️", "😊", "👍", "🥰"), ("😡", "👎", "😤", "🤡", "🙄", "😒")


@dataclass(frozen=True)
class Hand:
    """How one person types. Shares are per word (accents, slang) or per review (slips, shouting, emoji)."""

    lower: bool
    accents_lost: float
    slang: float
    slip: float
    joints: tuple[str, ...]
    ends: tuple[str, ...]


# Weight -> hand: careful, everyday, chat, breathless. Portuguese reviews are mostly everyday and chat.
HANDS = (
    (26, Hand(False, 0.0, 0.0, 0.0, (". ",), (".", ".", "!"))),
    (34, Hand(False, 0.05, 0.08, 0.12, (". ", ". ", ", "), (".", "", "!", ""))),
    (28, Hand(True, 0.55, 0.45, 0.25, (" ", ", ", ". ", "\n", "... "), ("", "", "!", "!!"))),
    (12, Hand(True, 0.75, 0.15, 0.45, (" ", ", ", "... ", " "), ("", "...", "!!!", ""))),
)
STRAY_JOINTS = (". ", ", ", "! ", "... ")


def choose_hand(rng: random.Random) -> Hand:
    weights, hands = zip(*HANDS, strict=True)
    return rng.choices(hands, weights)[0]


def type_out(rng: random.Random, sentences: list[str], signature: str, hand: Hand, score: int) -> str:
    """The sentences as one text in that hand, and the signature ("" for none) after it."""
    text = _join(rng, [_spell(rng, sentence, hand) for sentence in sentences], hand)
    if rng.random() < hand.slip:
        text = _slip(rng, text)
    text = _shout(rng, text, score)
    if rng.random() < 0.035:
        text += " " + rng.choice(HAPPY if score >= 4 else ANGRY)
    return text + _sign(rng, text, signature, hand) if signature else text


def _sign(rng: random.Random, text: str, signature: str, hand: Hand) -> str:
    """The signature with what parts it from the text: a new line, or the stop that the text lacks."""
    stopped = text[-1] in "!?."
    parting = rng.choice(("\n", " " if stopped else ". ", " " if stopped else ", "))
    starts = parting in ("\n", ". ") or (parting == " " and stopped)
    return parting + (signature[0].upper() + signature[1:] if starts and not hand.lower else signature)


def without_accents(text: str) -> str:
    """The same letters bare: "não" -> "nao"."""
    return "".join(mark for mark in unicodedata.normalize("NFD", text) if not unicodedata.combining(mark))


def _spell(rng: random.Random, sentence: str, hand: Hand) -> str:
    def one(match: re.Match[str]) -> str:
        word = match[0]
        if word.lower() in SLANG and rng.random() < hand.slang:
            return rng.choice(SLANG[word.lower()].split())
        return without_accents(word) if rng.random() < hand.accents_lost else word

    return WORD.sub(one, sentence) if hand.slang or hand.accents_lost else sentence


def _join(rng: random.Random, sentences: list[str], hand: Hand) -> str:
    """One habit of joining per review, broken now and then; capitals where the hand uses them."""
    habit, text = rng.choice(hand.joints), ""
    for sentence in sentences:
        if text:
            text = _end_before(text, habit if rng.random() < 0.75 else rng.choice(STRAY_JOINTS))
        starts = not text or text.rstrip()[-1] in ".!?\n"
        text += sentence[0].upper() + sentence[1:] if starts and not hand.lower else sentence
    return text if text[-1] in "!?." else text + rng.choice(hand.ends)


def _end_before(text: str, joint: str) -> str:
    """The joint after a sentence that may carry its own mark already."""
    return text + (" " if text[-1] in "!?." else joint)


def _slip(rng: random.Random, text: str) -> str:
    """One slip: a known misspelling where a word invites it, else two letters swapped or one lost."""
    known = [word for word in SLIPS if re.search(rf"\b{word}\b", text)]
    if known:
        word = rng.choice(known)
        return re.sub(rf"\b{word}\b", rng.choice(SLIPS[word].split()), text, count=1)
    long = [match for match in WORD.finditer(text) if len(match[0]) >= 6]
    if not long:
        return text
    match = rng.choice(long)
    at = match.start() + rng.randrange(2, len(match[0]) - 2)
    swapped = text[at + 1] + text[at] if rng.random() < 0.5 else text[at]
    return text[:at] + swapped + text[at + 2 :]


def _shout(rng: random.Random, text: str, score: int) -> str:
    """Capitals: a few of the angry shout it all, some people shout the words that matter to them."""
    if score <= 2 and rng.random() < 0.05:
        return text.upper()
    if rng.random() < (0.15 if score <= 2 else 0.06):
        return LOUD.sub(lambda found: found[0].upper(), text)
    return text
