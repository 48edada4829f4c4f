"""The entities of the full profile: people, cities and products of Brazil, and the rule that gives each to one split.

It holds words, not sentences; and no brand or person that exists: names are common given names and surnames combined.
"""

from __future__ import annotations

from functools import cache
from itertools import chain

from caderno.shop.profile import SPLITS, Pools

WOMEN = """
Adriana Alice Aline Amanda Andréa Beatriz Bianca Bruna Camila Carla Carolina Cláudia Cristiane Daniela Débora Eduarda
Elaine Eliane Fabiana Fernanda Flávia Gabriela Giovana Helena Heloísa Isabela Ivone Jéssica Joana Juliana Júlia Karina
Larissa Laura Letícia Lívia Luana Luciana Lurdes Manuela Márcia Mariana Marta Michele Mônica Natália Patrícia Priscila
Rafaela Raquel Regina Renata Rosana Sabrina Sandra Simone Sílvia Sônia Tatiane Terezinha Valéria Vanessa Viviane
""".split()
MEN = """
Adilson Alexandre Anderson André Antônio Arthur Augusto Bernardo Breno Bruno Caio Carlos Cauã César Cícero Cristiano
Daniel Davi Diego Douglas Edson Eduardo Emerson Fábio Felipe Fernando Flávio Francisco Gabriel Geraldo Gilberto
Guilherme Gustavo Heitor Henrique Hugo Igor Ivan João Jonas Jorge José Júlio Leandro Leonardo Lucas Luciano Luís
Marcelo Márcio Marcos Mateus Maurício Murilo Nelson Otávio Paulo Rafael Renato Ricardo Roberto Rodrigo Rogério Samuel
Sérgio Thiago Valdir Vinícius Wagner Wellington
""".split()
SURNAMES = """
Almeida Alves Andrade Aguiar Araújo Assunção Azevedo Barbosa Barreto Barros Batista Bezerra Borges Braga Brito Bueno
Camargo Cardoso Carvalho Cavalcante Cordeiro Correia Costa Coutinho Cunha Dantas Dias Duarte Farias Fernandes Ferreira
Figueiredo Fonseca Freitas Furtado Gomes Gonçalves Guimarães Lacerda Leal Leite Lima Lopes Macedo Machado Maia Marques
Martins Medeiros Melo Mendes Miranda Monteiro Moraes Moreira Moura Nascimento Neves Nogueira Nunes Oliveira Pacheco
Peixoto Pereira Pinheiro Pinto Pires Prado Queiroz Ramos Rezende Ribeiro Rocha Rodrigues Sales Sampaio Siqueira Soares
Souza Tavares Teixeira Trindade Valente Vasconcelos Viana Vieira Xavier
""".split()

# Largest first, state after the comma. Cities whose names are everyday words (Franca, Natal, Contagem) are left out.
CITIES = """São Paulo,SP; Rio de Janeiro,RJ; Brasília,DF; Fortaleza,CE; Salvador,BA; Belo Horizonte,MG; Manaus,AM;
Curitiba,PR; Recife,PE; Goiânia,GO; Belém,PA; Porto Alegre,RS; Guarulhos,SP; Campinas,SP; São Luís,MA; Maceió,AL;
Campo Grande,MS; São Gonçalo,RJ; Teresina,PI; João Pessoa,PB; Duque de Caxias,RJ; Nova Iguaçu,RJ; Santo André,SP;
São Bernardo do Campo,SP; Osasco,SP; Sorocaba,SP; Uberlândia,MG; Ribeirão Preto,SP; São José dos Campos,SP; Cuiabá,MT;
Jaboatão dos Guararapes,PE; Joinville,SC; Feira de Santana,BA; Aracaju,SE; Londrina,PR; Juiz de Fora,MG; Niterói,RJ;
Florianópolis,SC; Porto Velho,RO; Ananindeua,PA; Belford Roxo,RJ; Campos dos Goytacazes,RJ; Vila Velha,ES;
Caxias do Sul,RS; Macapá,AP; Mogi das Cruzes,SP; Diadema,SP; Betim,MG; Jundiaí,SP; Maringá,PR; Campina Grande,PB;
Montes Claros,MG; Piracicaba,SP; Carapicuíba,SP; Boa Vista,RR; Olinda,PE; Anápolis,GO; Cariacica,ES; Bauru,SP;
São Vicente,SP; Caruaru,PE; Petrolina,PE; Blumenau,SC; Ponta Grossa,PR; Cascavel,PR; Pelotas,RS; Canoas,RS; Uberaba,MG;
Praia Grande,SP; Suzano,SP; Taubaté,SP; Limeira,SP; Camaçari,BA; Rio Branco,AC; Palmas,TO; Governador Valadares,MG;
Ipatinga,MG; Sete Lagoas,MG; Divinópolis,MG; Volta Redonda,RJ; Petrópolis,RJ; Macaé,RJ; Cabo Frio,RJ; Novo Hamburgo,RS;
Gravataí,RS; São Leopoldo,RS; Passo Fundo,RS; Santa Maria,RS; Foz do Iguaçu,PR; Guarapuava,PR; Chapecó,SC; Itajaí,SC;
Criciúma,SC; Lages,SC; Jaraguá do Sul,SC; Dourados,MS; Três Lagoas,MS; Rondonópolis,MT; Sinop,MT; Ji-Paraná,RO;
Santarém,PA; Marabá,PA; Imperatriz,MA; Sobral,CE; Juazeiro do Norte,CE; Mossoró,RN; Parnamirim,RN; Arapiraca,AL;
Ilhéus,BA; Itabuna,BA; Garanhuns,PE; Parnaíba,PI; Araguaína,TO; Rio Verde,GO; Araraquara,SP; Presidente Prudente,SP;
São Carlos,SP; Botucatu,SP; Poços de Caldas,MG; Varginha,MG; Teófilo Otoni,MG; Linhares,ES; Bagé,RS; Corumbá,MS;
Maracanaú,CE"""

# Category | what kind of thing it is (how it breaks, see full_problems) | names and prices. In fives, so that by_split
# gives every split a mix of them. A blank line ends a category.
PRODUCTS = """
eletroportáteis | liga | cafeteira elétrica 129,90; liquidificador 750w 149,90; batedeira planetária 389,00;
sanduicheira grill 94,90; fritadeira sem óleo 329,90; mixer de mão 119,00; chaleira elétrica 99,90; panela elétrica
de arroz 159,90; espremedor de laranja 79,90; torradeira inox 139,90; ferro a vapor 119,90; aspirador vertical
219,00; ventilador de mesa 149,00

celulares e acessórios | liga | carregador turbo 59,90; fone bluetooth 89,90; power bank 10000 mah 109,90; relógio
inteligente 249,90; celular 128 gb 1199,00; tripé com ring light 84,90; caixinha de som portátil 129,90; carregador
veicular 34,90; pulseira fitness 149,00; lente macro para celular 39,90; base de carregamento sem fio 79,00;
microfone de lapela 69,90

informática | liga | mouse sem fio 49,90; teclado mecânico 219,90; webcam full hd 159,90; roteador dual band 189,90;
monitor 24 polegadas 699,00; headset gamer 179,90; impressora multifuncional 549,00; hd externo 1 tb 339,90; hub usb
59,90; pen drive 64 gb 42,90; estabilizador bivolt 119,00; mesa digitalizadora 289,90; adaptador wi-fi 44,90

áudio e vídeo | liga | soundbar com subwoofer 599,00; projetor portátil 459,90; antena digital 54,90; controle
remoto universal 29,90; toca-discos retrô 519,00; rádio am/fm 79,90; tv 43 polegadas 1699,00; conversor de tv
119,90; micro system 649,00; karaokê infantil 139,90; câmera de segurança 169,90; gravador de voz 149,90

ferramentas elétricas | liga | parafusadeira a bateria 229,90; furadeira de impacto 199,90; serra tico-tico 249,00;
lixadeira orbital 189,90; esmerilhadeira angular 219,00; soprador térmico 129,90; retífica elétrica 159,90; pistola
de cola quente 39,90; lavadora de alta pressão 449,90; compressor de ar 529,00; ferro de solda 49,90; trena a laser
139,90

cama, mesa e banho | tecido | jogo de cama casal 149,90; edredom queen 229,90; toalha de banho felpuda 44,90; manta
de microfibra 69,90; travesseiro antialérgico 59,90; cortina blackout 139,90; colcha matelassê 179,00; tapete para
sala 159,90; toalha de mesa de linho 89,90; protetor de colchão 79,90; roupão atoalhado 119,90; almofada decorativa
34,90

moda feminina | tecido | vestido midi floral 129,90; blusa de tricô 89,90; calça pantalona 119,90; saia jeans 99,90;
camisa de viscose 84,90; jaqueta de couro sintético 189,90; macacão longo 149,90; cardigã alongado 99,00; legging de
academia 69,90; cropped canelado 39,90; kimono estampado 74,90; short de alfaiataria 79,90

moda masculina | tecido | camisa polo 79,90; bermuda de sarja 89,90; calça jeans slim 129,90; moletom com capuz
139,90; camiseta de algodão 39,90; jaqueta corta-vento 159,90; blazer casual 249,00; camisa xadrez 99,90; regata de
treino 34,90; kit de cuecas boxer 69,90; suéter de lã 149,00; gravata slim 44,90

moda infantil | tecido | macacão de bebê 59,90; body de manga longa 34,90; pijama de dinossauro 64,90; vestido de
festa junina 89,90; jardineira jeans 94,90; conjunto de moletom infantil 99,90; fantasia de astronauta 119,90; saída
de maternidade 139,00; camiseta de super-herói 42,90; casaco de pelúcia 109,90; saco de dormir 129,90; touca com
pompom 24,90

calçados | calcado | tênis de corrida 239,90; sandália rasteira 59,90; bota cano curto 189,90; sapato social 179,90;
chinelo slide 49,90; sapatilha bico fino 79,90; coturno tratorado 219,90; mocassim de camurça 149,90; scarpin nude
129,90; papete esportiva 99,90; tênis slip-on 109,00; galocha de chuva 89,90

perfumaria | frasco | perfume amadeirado 159,90; colônia de lavanda 79,90; hidratante corporal 39,90; sabonete
líquido 24,90; óleo corporal de amêndoas 34,90; body splash de baunilha 64,90; sérum de vitamina c 89,90; protetor
solar fps 50 59,90; base matte 54,90; esmalte em gel 14,90; água micelar 29,90; difusor de ambientes 69,90

cabelos | frasco | shampoo sem sulfato 34,90; máscara de hidratação 49,90; creme de pentear 27,90; óleo de argan
39,90; tônico capilar 59,90; condicionador nutritivo 32,90; leave-in com protetor térmico 44,90; gelatina de cachos
29,90; tintura sem amônia 26,90; ampola de reconstrução 19,90; matizador roxo 36,90; mousse modelador 31,90

suplementos | seco | whey protein de chocolate 139,90; creatina monohidratada 89,90; colágeno em pó 74,90; barra de
proteína 9,90; multivitamínico diário 49,90; cafeína em cápsulas 44,90; ômega 3 64,90; pasta de amendoim 32,90;
albumina em pó 79,90; pré-treino de frutas vermelhas 109,90; maltodextrina 29,90; vitamina d 39,90

alimentos e bebidas | seco | café especial em grãos 54,90; chá de hibisco 19,90; mel silvestre 39,90; azeite extra
virgem 49,90; castanha-do-pará 64,90; granola artesanal 29,90; cacau em pó 34,90; doce de leite mineiro 27,90;
farinha de amêndoas 44,90; panetone de chocolate 59,90; cesta de queijos 129,90; tempero baiano 12,90

pet shop | seco | ração para filhotes 119,90; petisco de frango 22,90; areia higiênica 39,90; ração úmida para gatos
74,90; bifinho de carne 14,90; tapete higiênico para cães 69,90; osso defumado 17,90; ração para hamster 27,90;
catnip em folhas 19,90; alimento para peixes 16,90; sachê de salmão 49,90; suplemento para cães idosos 84,90

utilidades domésticas | duro | jogo de panelas antiaderente 299,90; conjunto de facas 119,90; garrafa térmica 79,90;
varal de chão 99,90; escorredor de louça 69,90; jogo de taças 89,90; faqueiro inox 139,90; forma de bolo 34,90;
porta-temperos giratório 59,90; lixeira de pedal 84,90; tábua de passar 149,90; pote hermético 29,90; balança de
cozinha 44,90

móveis | duro | escrivaninha de canto 349,90; cadeira de escritório 459,90; estante industrial 389,00; rack para tv
429,90; sapateira de porta 129,90; guarda-roupa de casal 1099,00; mesa de jantar 799,90; poltrona de amamentação
649,00; criado-mudo retrô 189,90; prateleira flutuante 59,90; sofá retrátil 1890,00; cabideiro de parede 79,90;
banqueta alta 159,90

brinquedos | duro | quebra-cabeça de mil peças 59,90; boneca articulada 79,90; carrinho de controle remoto 149,90;
jogo de blocos de montar 99,90; jogo de tabuleiro 119,90; patinete infantil 199,90; cubo mágico 24,90; cozinha de
brinquedo 239,90; pista de carrinhos 169,90; piano infantil 129,90; dinossauro articulado 49,90; kit de mágica
69,90; castelo de montar 154,90

esporte e lazer | duro | bicicleta aro 29 1249,00; halter emborrachado 79,90; anilha de ferro 69,90; step aeróbico
84,90; mesa de pingue-pongue 489,90; raquete de beach tennis 259,90; lanterna de camping 99,90; cadeira de praia
119,90; skate completo 189,90; prancha de bodyboard 159,90; garrafa de hidratação 34,90; capacete de ciclismo
109,90; caixa térmica 139,90

jardim e varanda | duro | carrinho de mão 229,90; vaso autoirrigável 44,90; churrasqueira portátil 219,90; banco de
madeira 239,90; espreguiçadeira dobrável 279,90; tesoura de poda 39,90; regador de metal 54,90; fonte de água
decorativa 149,90; balanço de varanda 489,00; comedouro de pássaros 32,90; luminária solar 64,90; ombrelone lateral
399,90; suporte de orquídea 29,90
"""
# Heads whose gender the last letter does not give away.
FEMININE = set("base castanha-do-pará estante fonte legging lente papete raquete ração rede soundbar tv webcam".split())
MASCULINE = set("guarda-roupa pijama quebra-cabeça ômega".split())


def by_split(things: list) -> dict[str, tuple]:
    """Three of every five in turn for training, one held out, one for the test: a fixed rule, without a seed."""
    turns = {"train": (0, 1, 2), "heldout": (3,), "test": (4,)}
    return {split: tuple(thing for i, thing in enumerate(things) if i % 5 in turns[split]) for split in SPLITS}


def full_names() -> list[str]:
    """About a thousand full names. No given name meets a first surname twice, so no name contains another."""
    given = [name for pair in zip(WOMEN, MEN, strict=False) for name in pair]
    names = []
    for number in range(8 * len(given)):
        first, turn = given[number % len(given)], number // len(given)
        surname = SURNAMES[(11 * number + 5 * turn) % len(SURNAMES)]
        second = SURNAMES[(7 * number + 3) % len(SURNAMES)]
        names.append(f"{first} {surname}" if number % 3 or second == surname else f"{first} {surname} {second}")
    return names


@cache
def catalogue() -> dict[str, tuple[tuple[str, str, float], ...]]:
    """Split -> (product, category, list price in reais). Whole categories go to one split."""
    parsed = []
    for block in PRODUCTS.strip().split("\n\n"):
        category, _, listed = (part.strip() for part in " ".join(block.split()).split("|"))
        pairs = [entry.strip().rsplit(" ", 1) for entry in listed.split(";")]
        parsed.append([(name, category, float(price.replace(",", "."))) for name, price in pairs])
    return {split: tuple(chain.from_iterable(lists)) for split, lists in by_split(parsed).items()}


@cache
def kinds() -> dict[str, str]:
    """Product -> the kind of thing it is, which decides how it can break."""
    found = {}
    for block in PRODUCTS.strip().split("\n\n"):
        _, kind, listed = (part.strip() for part in " ".join(block.split()).split("|"))
        found.update({entry.strip().rsplit(" ", 1)[0]: kind for entry in listed.split(";")})
    return found


@cache
def pools(split: str) -> Pools:
    """The people, cities and products of one split."""
    cities = [tuple(place.strip().split(",")) for place in " ".join(CITIES.split()).split(";")]
    return Pools(by_split(full_names())[split], by_split(cities)[split], catalogue()[split])


def is_feminine(noun: str) -> bool:
    """Whether a product's name takes "a": by its first word's last letter, save for the known exceptions."""
    head = noun.split()[0].lower()
    return head in FEMININE or (head.endswith("a") and head not in MASCULINE)
