"""The full profile's phrases for the general impression that the stars stand for, and how blocks of phrases are read.

It holds phrases only: one a line, `[a|b]` for alternatives, `{…}` for the slots that `full_grammar` fills. None of
them praises price, quality, delivery or service, names a problem, asks for anything or gives advice.
"""

from __future__ import annotations


def lines(text: str) -> tuple[str, ...]:
    """The phrases of a block, one a line."""
    return tuple(line.strip() for line in text.strip().splitlines())


# Stars -> the general impression. {S} "a cafeteira", {U} "uma cafeteira", {D} "da cafeteira", {C} "com a cafeteira".
TONES = {
    5: lines("""
        amei[| demais| muito|!|!!]
        adorei[| a compra| tudo| demais|!|!!]
        gostei [muito|demais|bastante|pra caramba][| da compra]
        [to|estou|fiquei] [super|muito|bem] [satisfeit{g}|feliz|content{g}][| com a compra| com o pedido]
        tudo [perfeito|certinho|100%|em ordem][| com o meu pedido| com a minha compra|, só alegria]
        [nota mil|nota máxima|show de bola|top|top demais|sensacional|maravilha|perfeito|arrasaram]
        só tenho a agradecer[| à loja]
        não tenho do que reclamar
        nada a reclamar
        era [exatamente|bem] [o que eu queria|o que eu procurava|o que eu precisava]
        [amei|adorei|curti muito|amamos] {S}[| demais|!|, de verdade]
        gostei [muito|demais|bastante] {D}
        [to|estou|fiquei] [apaixonad{g}|encantad{g}|super feliz|muito satisfeit{g}] {C}
        comprei {U} e [amei|adorei|não me arrependo|fiquei muito feliz|foi só alegria]
        pedi {U} e [amei|to muito feliz|não tenho do que reclamar|deu tudo certo]
        {S} é [tudo de bom|exatamente o que eu procurava|tudo o que eu queria|um sonho]
        {S} [chegou aqui em casa e virou o xodó da família|já virou xodó aqui em casa|é meu novo xodó]
        [minha mãe|meu marido|minha esposa|minha filha|meu filho|minha irmã] [amou|adorou] {S}
        já to usando {S} [todo dia|direto] e [to amando|só alegria]
        queria {U} [há tempos|fazia tempo] e [enfim realizei|finalmente comprei, to realizad{g}]
        não vivo mais sem {S}
    """),
    4: lines("""
        gostei[| bastante| da compra]
        gostei[| bastante] {D}
        curti [bastante |]{S}
        [bom|boa compra|tudo certo|tudo ok|tudo tranquilo|foi uma boa compra]
        [estou|fiquei|to] [satisfeit{g}|content{g}][| com a compra]
        no geral [gostei|to satisfeit{g}|foi bom|fiquei content{g}]
        por enquanto [tudo certo|tudo ok|to gostando]
        [atendeu|atende] [o que eu precisava|ao que eu precisava|bem as minhas necessidades]
        só não dou [nota máxima|cinco estrelas] porque [nunca dou|sou chat{g} mesmo|sempre dá pra melhorar]
        {S} [é bom|é boa opção|cumpre o que promete|atende bem|me atendeu bem|tá aprovad{x}]
        comprei {U} e [gostei|fiquei satisfeit{g}|tá tudo certo|até agora tudo certo]
        to gostando {D}[|, vamos ver com o tempo]
        gostei {D}[| no geral|, é bem legal]
    """),
    3: lines("""
        [mais ou menos|razoável|regular|médio|ok, nada demais|meio termo]
        [nem bom nem ruim|não amei nem odiei|nem lá nem cá|nem oito nem oitenta]
        esperava [um pouco|um pouquinho] mais[| {D}]
        [dá pro gasto|quebra um galho|serve, e só|tá ok, e só]
        [não é lá essas coisas|não é tudo isso|nada demais|nada de especial|nada de outro mundo]
        [poderia|podia] ser melhor
        fiquei [meio assim com a compra|em dúvida se gostei|no meio do caminho, nem feliz nem triste]
        {S} [é ok|dá pro gasto|quebra um galho|é mais ou menos|não é lá essas coisas|podia ser melhor]
        comprei {U} e [achei mais ou menos|achei razoável|não me empolguei|fiquei na dúvida se gostei]
        esperava [um pouco|um pouquinho] mais {D}
        achei {S} [razoável|só ok|bem mais ou menos|bem comum, nada demais]
    """),
    2: lines("""
        não gostei[| muito| não]
        esperava [bem|muito] mais
        [fiquei|to|estou] [decepcionad{g}|chatead{g}|insatisfeit{g}|frustrad{g}][| com a compra]
        [deixou muito a desejar|deixa a desejar|bem fraco|ruim|fraquinho|decepcionante]
        [me arrependi|me arrependi da compra|compra que não valeu a pena]
        não foi uma boa [compra|experiência]
        não gostei {D}[| não]
        {S} [deixou a desejar|me decepcionou|não agradou|é fraquinh{x}|não vale o que pedem]
        comprei {U} e [não gostei|me decepcionei|me arrependi|fiquei bem chatead{g}]
        esperava [bem|muito] mais {D}
        fiquei [decepcionad{g}|chatead{g}|frustrad{g}] {C}
    """),
    1: lines("""
        [péssimo|horrível|lamentável|ridículo|vergonhoso|inadmissível|uma vergonha|um horror][|!|!!]
        [péssima experiência|experiência horrível|péssima compra][|, pior impossível]
        que [decepção|vergonha|raiva|absurdo|ódio|desgosto|cilada]
        [estou|to|fiquei] [muito|super|extremamente] [decepcionad{g}|chatead{g}|insatisfeit{g}|irritad{g}|revoltad{g}]
        [uma falta de respeito|falta de respeito|um desrespeito][| com o cliente| com o consumidor| com a gente]
        me arrependi [amargamente|demais|muito][| dessa compra]
        dinheiro jogado [fora|no lixo]
        [não merece nem uma estrela|uma estrela porque não dá pra dar zero|se desse eu dava zero]
        [pior compra|a pior compra] [da minha vida|que já fiz|que já fiz na internet]
        [me senti|to me sentindo] [enganad{g}|lesad{g}|um palhaço|feit{g} de trouxa]
        me arrependi [amargamente|demais] de ter comprado {S}
        que decepção [com essa compra|{C}]
        comprei {U} e [só tive dor de cabeça|só passei raiva|me arrependi amargamente|foi uma decepção]
        {S} foi [a pior compra que já fiz|dinheiro jogado fora|uma decepção total|só dor de cabeça]
        [odiei|detestei] {S}
    """),
}

# For four or five stars in spite of a problem: content, but not as if nothing had been wrong. CONTENT comes before the
# problem is told, FORGIVING after it.
CONTENT = lines("""
    [gostei|adorei|gostei bastante|gostei muito][| da compra]
    no geral [gostei|to satisfeit{g}|fiquei content{g}|a compra foi boa]
    [to|fiquei|estou] [satisfeit{g}|feliz|content{g}][| com a compra]
    [foi|fiz] uma boa compra
""")
FORGIVING = lines("""
    [gostei|adorei|fiquei feliz|fiquei satisfeit{g}][| no fim das contas| assim mesmo]
    no geral [gostei|to satisfeit{g}|fiquei content{g}|a compra foi boa]
    [não tiro estrela por isso|por mim tá perdoado|acontece|faz parte|relevei]
    [gostei|gostei bastante|to gostando] {D}
    a compra [foi boa|me deixou feliz|no geral foi tranquila]
    [no fim deu tudo certo|no fim fiquei feliz|terminei satisfeit{g}]
""")

# Impressions where the text cannot judge the thing itself: it never came, or the matter is how one was treated.
EXPERIENCE = {
    3: lines("""
        [podia|poderia] ser melhor
        experiência [mais ou menos|regular|média|nem boa nem ruim]
        esperava [um pouco|um pouquinho] mais da loja
        por enquanto nem elogio nem [detono|xingo|reclamo tanto]
        vou dar [um voto de confiança|mais uma chance][| pra loja]
    """),
    2: lines("""
        [fiquei|to|estou] [decepcionad{g}|chatead{g}|insatisfeit{g}|frustrad{g}][| com a loja| com a compra]
        esperava [bem|muito] mais [da loja|de vocês]
        não foi uma boa experiência
        [decepcionante|complicado|assim fica difícil|chato isso]
        [ruim|bem ruim] a experiência
    """),
    1: lines("""
        [péssimo|horrível|lamentável|ridículo|vergonhoso|inadmissível|uma vergonha|um horror][|!|!!]
        [péssima experiência|experiência horrível][|, pior impossível]
        que [decepção|vergonha|raiva|absurdo|ódio|palhaçada]
        [estou|to|fiquei] [muito|super|extremamente] [decepcionad{g}|chatead{g}|insatisfeit{g}|irritad{g}|revoltad{g}]
        [uma falta de respeito|falta de respeito|um desrespeito][| com o cliente| com o consumidor| com a gente]
        [não merece nem uma estrela|uma estrela porque não dá pra dar zero|se desse eu dava zero]
        [pior compra|a pior compra] [da minha vida|que já fiz|que já fiz na internet]
        [me senti|to me sentindo] [enganad{g}|lesad{g}|um palhaço|feit{g} de trouxa]
        [lojinha|loja] sem [vergonha|compromisso|palavra]
    """),
}
