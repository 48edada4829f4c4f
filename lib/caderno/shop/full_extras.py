"""The full profile's phrases for praise, advice, requests, places, signatures and small talk, and its titles.

It holds phrases only, in the notation of `full_tone`; each states the one fact that it is listed under.
"""

from __future__ import annotations

from caderno.shop.full_tone import lines

PRAISE = {
    "preco": lines("""
        [preço|precinho] [ótimo|muito bom|excelente|imbatível|justo|camarada|lá embaixo]
        o preço [estava|tava|é] [ótimo|muito bom|imbatível|bem abaixo das outras lojas]
        valeu cada centavo
        [melhor|o melhor] preço que [achei|encontrei|vi] [na internet|por aí|depois de muita pesquisa]
        [custo-benefício|custo benefício] [ótimo|excelente|nota mil]
        paguei [bem menos|bem mais barato|quase metade] do que na loja [física|do shopping]
        {S} saiu [mais em conta|bem mais barat{x}] do que nas outras lojas
        [peguei|comprei] {S} por um preço [ótimo|muito bom|que não existe]
        [barato|baratinho] demais[|, nem acreditei]
        pelo preço {S} compensa [muito|demais|e muito]
    """),
    "qualidade": lines("""
        {S} é de [ótima|excelente] qualidade
        qualidade [top|excelente|muito boa|ótima|acima do esperado|de primeira|nota mil]
        material [muito bom|resistente|de primeira|ótimo|excelente]
        {S} é muito [bem feit{x}|bem acabad{x}|resistente|{bom}]
        {S} é [ótim{x}|excelente|de primeira|muito bem feit{x}|melhor do que nas fotos]
        o acabamento é [impecável|perfeito|caprichado|muito bom]
        dá pra ver que é [coisa boa|bem feit{x}|de qualidade]
        {S} superou [minhas expectativas|o que eu esperava], qualidade [mesmo|excelente|muito boa]
        é [muito bom|ótimo] mesmo, produto [de qualidade|bem feito|de primeira]
    """),
    "entrega": lines("""
        chegou [antes do prazo|bem antes do prazo|super rápido|rapidinho|voando|muito rápido|antes do esperado]
        entrega [rápida|super rápida|antes do prazo|rapidíssima|pontual|nota mil]
        {S} chegou [antes do prazo|super rápido|rapidinho|direitinho no prazo|antes do previsto]
        recebi [bem antes do prazo|antes do prazo|rapidinho|antes do combinado|tudo no prazo]
        a entrega foi [muito rápida|um foguete|super rápida|rápida e sem enrolação]
        mal comprei e já [chegou|tava na porta de casa|recebi]
        [me surpreendi com a|elogio a|nota mil pra] rapidez da entrega
        nem esperava que {S} fosse chegar tão rápido
        entregaram [antes do prazo|bem rápido|certinho no dia]
    """),
    "atendimento": lines("""
        atendimento [ótimo|excelente|nota mil|muito atencioso|show|de primeira]
        fui [muito|super] bem atendid{g}
        o vendedor [foi muito atencioso|foi super educado|respondeu tudo na hora|me ajudou bastante|é muito gente boa]
        a equipe da loja [foi super atenciosa|me ajudou em tudo|é muito educada|respondeu tudo rapidinho]
        tiraram todas as minhas dúvidas [na hora|com paciência|pelo whatsapp]
        me atenderam [super|muito] bem [pelo whatsapp|pelo chat|por telefone|do começo ao fim]
        pessoal [muito educado|gente boa|super prestativo|atencioso]
        o atendimento [da loja |de vocês |]é [ótimo|excelente|muito bom|um diferencial]
        tirei dúvida sobre {S} e [responderam na hora|me atenderam muito bem|foram super atenciosos]
    """),
}
# What the discontented grant all the same.
GRUDGING = {
    "preco": lines("""
        [pelo menos|ao menos] [foi barato|o preço era bom|não paguei caro|o preço compensava]
        de bom mesmo só o preço
        o preço [até que é bom|era bom, isso eu não nego|pelo menos era justo]
        [bom mesmo|ponto positivo] só o preço
    """),
    "qualidade": lines("""
        [pelo menos|ao menos] [é de boa qualidade|a qualidade é boa|o produto é bem feito|o material é bom]
        o produto em si é [bom|muito bom|bem feito|de qualidade]
        a qualidade [até que é boa|é boa, isso eu não nego]
        o material até que é [bom|resistente]
    """),
    "entrega": lines("""
        [pelo menos|ao menos] [chegou rápido|chegou no prazo|chegou antes do prazo|a entrega foi rápida]
        a entrega foi rápida, [isso eu não nego|isso eu reconheço|verdade seja dita]
        [de bom só a entrega, que foi rápida|chegar rápido até chegou]
        entregaram no prazo, [verdade seja dita|isso sim]
    """),
    "atendimento": lines("""
        [pelo menos|ao menos] [fui bem atendid{g}|o atendimento foi bom|o pessoal foi educado|o vendedor foi atencioso]
        o atendimento em si foi bom, [verdade seja dita|justiça seja feita]
        a moça do atendimento [foi um amor|foi educada|tentou ajudar], [justiça seja feita|coitada]
        o pessoal da loja [até que é atencioso|foi educado, isso eu não nego]
    """),
}

ADVICE = {
    True: lines("""
        recomendo[| muito| demais| a todos| de olhos fechados|!|!!]
        [super|com certeza|eu] recomendo
        [indico|super indico|já indiquei] [pra todo mundo|pras amigas|pros amigos|pra família toda|no grupo da família]
        podem comprar [sem medo|tranquilos|de olhos fechados|que eu garanto]
        pode comprar [sem medo|tranquilo|que é sucesso]
        vou indicar [pros amigos|pra família toda|no serviço]
        recomendo [a loja|essa loja|a compra]
    """),
    False: lines("""
        não recomendo[| a ninguém| pra ninguém| de jeito nenhum| nem pro meu pior inimigo|!|!!]
        não [comprem|caiam nessa|percam seu tempo|façam essa besteira][| gente| pessoal]
        não indico[| pra ninguém| nem de graça| a ninguém]
        fujam[| dessa loja| dessa cilada| enquanto é tempo]
        nunca mais compro [aqui|nessa loja] e não [recomendo|indico]
        [sinceramente|infelizmente|desculpa mas] não recomendo
        não recomendo [essa loja|a loja|a compra]
    """),
}
LUKEWARM_ADVICE = {
    True: lines("""
        mesmo assim recomendo
        ainda assim [eu recomendo|indico]
        [apesar de tudo|no fim das contas] recomendo
        recomendo, mas sem [muita expectativa|esperar milagre]
    """),
    False: lines("""
        [sinceramente|no fim das contas|sendo sincer{g}] não recomendo
        não [recomendaria|indicaria][| não| pra ninguém]
        não chego a recomendar
    """),
}

ASKS = {
    "troca": lines("""
        quero [trocar|fazer a troca|a troca]
        como [faço|que faço|eu faço] [pra trocar|a troca|pra fazer a troca]?
        gostaria de [trocar|solicitar a troca|fazer a troca]
        [exijo|solicito|peço] a troca [do produto|imediata|o quanto antes]
        preciso [trocar|que troquem] {S}
        quero que troquem {S}
        mandem outr{x} no lugar
        [aceito a troca|só quero trocar] e pronto
    """),
    "reembolso": lines("""
        quero [meu dinheiro de volta|o reembolso|meu reembolso|o estorno]
        [exijo|solicito] [meu dinheiro de volta|o reembolso|o estorno|a devolução do valor pago]
        devolvam [meu dinheiro|o que eu paguei]
        como [faço|eu faço] pra [pedir reembolso|receber meu dinheiro de volta|pedir o estorno]?
        agora só quero [meu dinheiro de volta|o estorno|o reembolso]
        quero o reembolso {D}
        cadê meu reembolso?
    """),
    "resposta": lines("""
        aguardo [retorno|resposta|um retorno|uma resposta][| de vocês| urgente| o quanto antes]
        alguém [me responde|pode me responder|me dá um retorno][|, por favor]?
        gostaria de [um retorno|uma resposta|um posicionamento][| da loja| de vocês]
        me respondam[|, por favor| pelo amor de deus| por gentileza]
        favor [entrar em contato comigo|me dar um retorno|me responder]
        espero uma resposta[| de vocês| da loja]
        [quero|preciso de] uma [resposta|explicação][| sobre {S}]
        fico no aguardo de um retorno
    """),
}

# {em} "em Recife" or "no Rio de Janeiro"; {de} "de Recife".
CITY = lines("""
    moro {em}
    sou {de}
    [falo|escrevo] aqui {de}
    [comprei|pedi|encomendei] aqui {de}
    [comprei|pedi] pra entregar {em}
    moro {em} e [compro quase tudo pela internet|era a primeira vez que comprava com eles|não tem loja deles aqui]
    sou {de} e [compro muito pela internet|vi essa loja na internet|resolvi arriscar]
""")
CITY_GLAD = lines("""
    moro {em} e [aqui não acho isso pra comprar|já tinha procurado em tudo que é loja|aqui é difícil de achar]
    aqui {em} [não acho pra comprar|é difícil de achar|só achei pela internet]
    procurei {em} e não achei[| em lugar nenhum]
    [saudações|um abraço] aqui {de}
""")
CITY_LATE = lines("""
    [e|olha que] eu moro {em}, não [no fim do mundo|no meio do mato|em outro planeta]
    isso pra entregar aqui {em}
    moro {em}, nem é tão longe assim
    aqui {em} [é sempre essa novela|a entrega é sempre esse sufoco|ninguém merece]
""")
CITY_MISSING = lines("""
    aqui {em} não [chegou|apareceu] nada
    moro {em}, não é difícil de achar
    o endereço {em} tá [certinho|correto] no cadastro
    era pra entregar {em}
""")
CITY_FAST = lines("""
    e olha que [eu moro|moro] {em}
    [até aqui {em}|aqui {em}] foi [rápido|rapidinho]
    nem parece que moro {em}, de tão rápido
""")

SIGN = lines("""
    ass: {name}
    ass. {name}
    att, {name}
    [atenciosamente|obrigad{g}|grat{g}], {name}
    abraço, {name}
    abs, {name}
    meu nome é {name}
    quem escreve é {name}
    aqui é {o_name}
    [o pedido|a compra] [está|tá] [em nome de|no nome de] {name}
    {name}
""")
SIGN_ANGRY = (
    "ass: {name}",
    "att, {name}",
    "meu nome é {name}",
    "aqui é {o_name}",
    "[o pedido|a compra] tá no nome de {name}",
    "[podem procurar|procurem aí]: {name}",
    "{name}, cliente [insatisfeit{g}|que não é palhaç{g}|decepcionad{g}]",
)

# Before the rest, and after it. Neither states a fact.
OPENING_TALK = lines("""
    [é a primeira vez que compro|primeira compra que faço|foi a primeira vez que comprei] [aqui|nessa loja]
    já comprei [aqui|nessa loja|com eles] outras vezes
    comprei [pelo celular|pelo aplicativo|depois de pesquisar bastante|por impulso, confesso]
    vi [a propaganda|o anúncio] no [instagram|facebook|youtube|tiktok] e resolvi comprar
    [não costumo avaliar|quase nunca comento|não sou de escrever avaliação], mas [dessa vez resolvi escrever|aqui estou]
    só [agora|hoje] [consegui|tive tempo de|lembrei de] vir avaliar
    [era|foi] [um presente|presente] [de aniversário|de casamento|de formatura|de amigo secreto|pra uma amiga]
    [uma amiga|minha vizinha|meu cunhado|uma colega do serviço] me [falou dessa|mostrou essa] loja
    sou [cliente antig{g}|aposentad{g}|enfermeir{g}|recém-casad{g}] e [compro muito|vivo comprando] pela internet
    [tava|estava] precisando [muito|faz tempo]
""")
CLOSING_TALK = lines("""
    [enfim|bom|então], é isso
    espero ter ajudado
    essa é a minha opinião
    [fica o registro|fica meu relato]
""")
GIFT_FOR = lines("""
    comprei [pra|para] [minha mãe|meu pai|minha filha|meu filho|minha avó|minha sogra|meu marido|minha esposa]
    [era|é] pro aniversário [da minha mãe|do meu pai|da minha filha|do meu filho|da minha avó|do meu sobrinho]
    [minha mãe|minha filha|meu filho|minha sogra] que [pediu|queria]
""")

TITLES = {
    5: "Ótimo/Excelente/Muito bom/Amei/Amei!!/Perfeito/Adorei/Top/Show/Maravilhoso/Nota mil/Cinco estrelas",
    4: "Bom/Muito bom/Gostei/Legal/Boa compra/Satisfeit{g}/Tudo certo",
    3: "Regular/Mais ou menos/Ok/Razoável/Médio/Podia ser melhor/Esperava mais",
    2: "Não gostei/Ruim/Deixou a desejar/Decepção/Insatisfeit{g}/Fraco",
    1: "Péssimo/PÉSSIMO/Horrível/Decepção/Decepcionad{g}/Vergonha/Nunca vi igual/Lamentável/Insatisfeit{g}",
    "praise preco": "Ótimo preço/Preço bom/Custo-benefício",
    "praise qualidade": "Ótima qualidade/Boa qualidade/Qualidade",
    "praise entrega": "Entrega rápida/Chegou rápido/Antes do prazo",
    "praise atendimento": "Ótimo atendimento/Bom atendimento/Atenciosos",
    "advice True": "Recomendo/Super recomendo/RECOMENDO/Recomendadíssimo",
    "advice False": "Não recomendo/NÃO RECOMENDO/Não comprem/Fujam",
    "problem atraso": "Atraso/Atraso na entrega/Atrasou/Fora do prazo/Demora na entrega",
    "problem defeito": "Defeito/Veio com defeito/Produto com defeito",
    "problem produto_errado": "Produto errado/Veio errado/Pedido errado/Mandaram errado",
    "problem nao_chegou": "Não chegou/Não recebi/Cadê meu pedido?/Não entregaram/Não recebi o produto",
    "problem atendimento": "Péssimo atendimento/Atendimento ruim/Descaso/Mal atendid{g}",
}
