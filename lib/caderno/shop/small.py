"""The small profile: a closed vocabulary and short reviews, what the built-in tiny model can read.

Every word is one token there, so entities are single words. It holds words and phrases only; `generator` draws facts.
"""

from __future__ import annotations

import random

from caderno.shop.profile import SPLITS, Pools, ReviewFacts

CUSTOMERS = """
ana bruno carla diego elisa fábio gabriela heitor isabel joão karina lucas marina nelson olívia paulo rafaela sérgio
tatiana ulisses vanessa wagner yasmin zeca alice bernardo camila daniel eduarda felipe giovana henrique ingrid jorge
kátia leandro manuela nicolas otávio patrícia quitéria renato sabrina thiago ursula vítor wesley xavier yuri zilda
amanda breno cecília davi estela francisco glória hugo irene júlio larissa mateus noemi osvaldo priscila rodrigo
sandra tomás valéria antônio beatriz caio débora emerson flávia gustavo helena ivan joana
""".split()

CITIES = """
recife:PE natal:RN belém:PA manaus:AM curitiba:PR santos:SP campinas:SP olinda:PE maceió:AL teresina:PI palmas:TO
cuiabá:MT goiânia:GO brasília:DF niterói:RJ sorocaba:SP londrina:PR maringá:PR joinville:SC blumenau:SC chapecó:SC
criciúma:SC itajaí:SC caxias:RS pelotas:RS canoas:RS gravataí:RS petrópolis:RJ macaé:RJ resende:RJ uberaba:MG
uberlândia:MG contagem:MG betim:MG ipatinga:MG varginha:MG barbacena:MG ilhéus:BA itabuna:BA jequié:BA barreiras:BA
aracaju:SE petrolina:PE caruaru:PE garanhuns:PE mossoró:RN sobral:CE crato:CE juazeiro:BA imperatriz:MA marabá:PA
santarém:PA macapá:AP ananindeua:PA bauru:SP marília:SP franca:SP limeira:SP piracicaba:SP jundiaí:SP osasco:SP
barueri:SP suzano:SP taubaté:SP jacareí:SP fortaleza:CE salvador:BA
""".split()

PRODUCTS_BY_CATEGORY = {
    "cozinha": "caneca panela liquidificador cafeteira torradeira batedeira fogão geladeira chaleira frigideira",
    "casa": "cadeira mesa lâmpada tapete cortina toalha lençol travesseiro espelho vaso ventilador aspirador",
    "moda": "mochila bolsa carteira relógio pulseira colar brinco óculos boné camiseta calça jaqueta vestido saia",
    "calçados": "sapato tênis sandália bota chinelo",
    "eletrônicos": "fone teclado mouse monitor câmera celular tablet carregador impressora microfone",
    "esporte": "bola raquete bicicleta patins skate corda halter barraca lanterna prancha",
    "brinquedos": "boneca carrinho pião dominó xadrez pipa urso",
    "papelaria": "livro caderno caneta lápis estojo agenda régua tesoura",
    "beleza": "perfume batom creme sabonete escova pente esmalte",
    "ferramentas": "martelo furadeira serrote alicate trena parafusadeira escada",
}

# Each list says one fact in several voices. Words are lower case: the tiny model's vocabulary is closed.
PHRASES: dict[str, tuple[str, ...]] = {
    "product": ("pedi {v}", "comprei {v}", "meu pedido foi {v}", "produto: {v}"),
    "city": ("moro em {v}", "aqui em {v}", "sou de {v}"),
    "customer": ("att {v}", "assinado {v}", "meu nome é {v}"),
    "late_days": ("atrasou {v} dias", "veio com {v} dias de atraso", "chegou {v} dias depois do prazo"),
    "atraso": ("atrasou muito", "demorou demais", "chegou fora do prazo"),
    "defeito": ("veio com defeito", "já quebrou", "não funciona", "parou de funcionar"),
    "produto_errado": ("veio o produto errado", "mandaram outro produto", "não é o que pedi"),
    "nao_chegou": ("não chegou", "nunca chegou", "até hoje nada"),
    "atendimento": ("atendimento péssimo", "ninguém me atende", "loja mal educada"),
    "praise preco": ("preço ótimo", "muito barato", "valeu o preço"),
    "praise qualidade": ("qualidade ótima", "muito bem feito", "material excelente"),
    "praise entrega": ("chegou rápido", "entrega rápida", "veio antes do prazo"),
    "praise atendimento": ("loja atenciosa", "atendimento nota dez", "vendedor gentil"),
    "recommends": ("recomendo", "super recomendo", "indico a todos"),
    "recommends not": ("não recomendo", "não indico", "não comprem"),
    "troca": ("quero trocar", "peço a troca", "quero outro no lugar"),
    "reembolso": ("quero meu dinheiro", "peço reembolso", "devolvam meu dinheiro"),
    "resposta": ("aguardo resposta", "me respondam", "espero retorno"),
    "positivo": ("adorei", "gostei muito", "estou feliz", "top demais", "amei"),
    "neutro": ("mais ou menos", "é razoável", "nada demais", "dá pro gasto"),
    "negativo": ("não gostei", "péssimo", "que decepção", "odiei", "parabéns pela bagunça"),
}


def _thirds(words: list[str]) -> dict[str, list[str]]:
    """Three of five words to train, one to heldout, one to test, in an order that any added word leaves as it was."""
    order = ("train", "heldout", "train", "test", "train")
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for index, word in enumerate(words):
        parts[order[index % len(order)]].append(word)
    return parts


def pools(split: str) -> Pools:
    """The customers, cities and products of one split."""
    cities = [tuple(pair.split(":")) for pair in _thirds(CITIES)[split]]
    products = []
    prices = random.Random("small prices")
    for category, words in PRODUCTS_BY_CATEGORY.items():
        listed = {word: float(prices.randint(10, 99)) for word in words.split()}
        products += [(word, category, listed[word]) for word in _thirds(list(listed))[split]]
    return Pools(tuple(_thirds(CUSTOMERS)[split]), tuple(cities), tuple(products))


def _sentence(rng: random.Random, key: str, value: object = None) -> str:
    return rng.choice(PHRASES[key]).format(v=value)


def review(rng: random.Random, facts: ReviewFacts) -> tuple[str | None, str]:
    """No title, and a comment of one short sentence per fact, in any order."""
    said = [_sentence(rng, facts.sentiment)]
    for key in ("product", "city", "customer"):
        if (value := getattr(facts, key)) is not None:
            said.append(_sentence(rng, key, value))
    if facts.late_days is not None:
        said.append(_sentence(rng, "late_days", facts.late_days))
    elif facts.problem != "nenhum":
        said.append(_sentence(rng, facts.problem))
    if facts.praise != "nada":
        said.append(_sentence(rng, f"praise {facts.praise}"))
    if facts.recommends is not None:
        said.append(_sentence(rng, "recommends" if facts.recommends else "recommends not"))
    if facts.request != "nada":
        said.append(_sentence(rng, facts.request))
    rng.shuffle(said)
    return None, ". ".join(said) + "."


class _Small:
    """The Profile this module is."""

    name = "small"
    pools = staticmethod(pools)
    review = staticmethod(review)


PROFILE = _Small()
