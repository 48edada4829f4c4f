"""The full profile's phrases for what went wrong: the plain statement, what people add to it, and sarcasm.

It holds phrases only, in the notation of `full_tone`. No phrase asks for anything, gives advice or names a number of
days other than `{dias}` ("5 dias").
"""

from __future__ import annotations

from caderno.shop.full_tone import lines

# Every statement is a clause with a verb, so that it can follow "só que" or precede "mas".
LATE_BY_DAYS = lines("""
    {S} [chegou|veio] com {dias} de atraso
    [chegou|recebi|veio] {dias} depois do prazo
    recebi {S} {dias} depois do [prazo|combinado|prometido]
    [a entrega atrasou|atrasou|atrasaram] {dias}
    {S} atrasou {dias}
    {S} era pra ter chegado {dias} antes
    {S} [passou|demorou] {dias} [do prazo|a mais do que o prometido]
    esperei {dias} além do prazo
    comprei {U} e [chegou|recebi|veio] {dias} [depois do prazo|atrasad{x}]
    o prazo venceu e só {dias} depois [entregaram|chegou|me entregaram {S}]
    demorou {dias} a mais do que [prometeram|o combinado|tava no site]
    foram {dias} de atraso [na entrega|até chegar]
""")

PROBLEMS = {
    "atraso": lines("""
        {S} [chegou|veio] [atrasad{x}|com atraso|fora do prazo|bem depois do prazo|muito depois do prazo]
        a entrega [atrasou|demorou demais|passou muito do prazo|foi uma lerdeza|não cumpriu o prazo]
        demorou [muito|demais|uma eternidade|um século] [pra|para] chegar
        não cumpriram o prazo[| de entrega| prometido| do site]
        comprei {U} e [demorou demais pra chegar|chegou atrasad{x}|veio fora do prazo]
        {S} demorou [muito mais do que o prometido|demais pra chegar|bem mais que o prazo]
        [atrasaram|atrasou] [bastante|demais|muito] a entrega
    """),
    "produto_errado": lines("""
        [mandaram|enviaram|me mandaram|entregaram] [o produto errado|outro produto|um produto diferente|outra coisa]
        me mandaram uma coisa que não tem nada a ver com o que eu [pedi|comprei]
        comprei {U} e [veio|me mandaram|chegou] [outra coisa|outro produto|outro modelo|um troço nada a ver]
        pedi {U} e [veio|mandaram|chegou] [outra coisa|um produto totalmente diferente|outro modelo|tudo errado]
        {S} veio [errad{x}|em outra cor|no modelo errado|diferente do anúncio|diferente da foto]
        não foi [isso|esse produto] que eu [comprei|pedi]
        erraram o [meu pedido|produto|modelo]
        o que chegou aqui não é {S} que eu [pedi|comprei|escolhi]
        abri a caixa e não era {S}
    """),
    "nao_chegou": lines("""
        {S} [não chegou|nunca chegou|ainda não chegou|não chegou até hoje|até agora não chegou|não foi entregue]
        [até hoje|até agora|até o momento] não recebi {S}
        não recebi {S}[| até hoje| até agora]
        comprei {U} e [não recebi|nunca recebi|até agora nada|nada de chegar|cadê que chega]
        o rastreio [não anda|tá parado|não atualiza|travou] e nada {D} chegar
        consta como entregue mas [não recebi nada|aqui não chegou nada|{S} não chegou]
        paguei e não recebi {S}
        to até hoje esperando {S}
        {S} sumiu no caminho, nunca chegou
    """),
    "atendimento": lines("""
        o atendimento [é péssimo|foi horrível|deixou muito a desejar|é uma vergonha|foi uma negação]
        [o vendedor|a loja|o chat|o sac] [ignora as mensagens|me deixou no vácuo|não resolve nada|só enrola a gente]
        fui [muito mal atendid{g}|ignorad{g} pelo vendedor|tratad{g} com descaso|maltratad{g} pelo atendente]
        [liguei|mandei mensagem|tentei falar] [várias vezes|um monte de vezes] e [ninguém resolve|só me enrolam]
        o atendente foi [grosso|super mal educado|estúpido comigo|debochado]
        é impossível falar com alguém da loja
        tive [uma dúvida|um probleminha] com {S} e [o atendimento foi péssimo|só me enrolaram|me trataram mal]
        [precisei|tentei pedir] ajuda com {S} e [fui ignorad{g}|fui muito mal atendid{g}|foi só grosseria]
        perguntei sobre {S} e [me responderam com grosseria|o vendedor foi grosso|fizeram pouco caso]
        comprei {U} e fui [muito mal atendid{g}|tratad{g} com descaso|maltratad{g} pelo vendedor]
        no pós-venda {D} o atendimento [é zero|não existe|foi péssimo]
    """),
}

# What kind of thing it is -> how it breaks. "coisa" is for a review that does not say what was bought.
DEFECTS = {
    "coisa": lines("""
        {S} [veio|chegou] [com defeito|danificad{x}|avariad{x}|estragad{x}|todo zoado]
        {S} já veio com defeito
        {S} [deu defeito|deu problema|estragou] [na primeira semana|no primeiro uso|logo de cara]
        a caixa veio amassada e {S} [veio danificad{x}|chegou estragad{x}|veio com defeito]
    """),
    "liga": lines("""
        {S} não liga
        {S} [parou de funcionar|queimou|pifou|morreu] [na primeira semana|no primeiro uso|com pouco uso|do nada]
        {S} veio com [defeito|mau contato|o botão quebrado|um barulho estranho]
        comprei {U} e [nem liga|já pifou|veio com defeito|parou de funcionar do nada|não funciona]
        {S} [esquenta demais e desliga sozinh{x}|liga e desliga sozinh{x}|faz um barulho horrível e para]
        {S} funcionou um tempinho e [pifou|queimou|morreu]
    """),
    "tecido": lines("""
        {S} veio [rasgad{x}|descosturad{x}|manchad{x}|furad{x}|com a costura aberta|com fio puxado]
        {S} [encolheu|desbotou|descosturou|manchou tudo|se desfez] na primeira lavagem
        comprei {U} e [veio com um furo|veio manchad{x}|a costura já abriu|desbotou na primeira lavada]
        a costura {D} [abriu|soltou] [no primeiro uso|logo de cara]
    """),
    "calcado": lines("""
        {S} [descolou|abriu|rasgou] [no primeiro uso|na primeira semana|com pouco uso]
        a sola {D} [descolou|soltou|rachou] [no primeiro uso|na primeira semana]
        {S} veio [com a costura aberta|manchad{x}|descolad{x}|com um pé de cada cor]
        comprei {U} e [a sola já soltou|veio descolad{x}|já abriu a costura]
    """),
    "frasco": lines("""
        {S} veio [vazando|aberto na caixa|com a tampa quebrada|com o lacre rompido|pela metade|com validade vencida]
        {S} vazou [tudo dentro da caixa|todo na caixa]
        comprei {U} e [veio vazando|chegou com o lacre rompido|veio pela metade|a tampa chegou quebrada]
        {S} veio com [cheiro estranho|o frasco rachado|a válvula que não funciona]
    """),
    "seco": lines("""
        {S} veio [com a embalagem rasgada|vencid{x}|com o pacote aberto|com o lacre rompido|estragad{x}|com cheiro ruim]
        comprei {U} e [veio vencid{x}|o pacote chegou aberto|veio estragad{x}|a embalagem chegou rasgada]
        a embalagem {D} chegou [rasgada|aberta|violada]
    """),
    "duro": lines("""
        {S} [veio|chegou] [quebrad{x}|trincad{x}|rachad{x}|amassad{x}|riscad{x}|tort{x}|empenad{x}]
        {S} [veio|chegou] faltando [uma peça|peças|um pedaço]
        {S} quebrou [no primeiro uso|na primeira semana|assim que usei|com pouquíssimo uso]
        comprei {U} e [veio quebrad{x}|já quebrou|chegou todo riscado|veio faltando peça]
        abri a caixa e {S} tava [quebrad{x}|trincad{x}|amassad{x}|em pedaços]
    """),
}

# What the discontented add: colour that fits the problem and states no other fact.
MORE = {
    "nenhum": lines("""
        criei expectativa à toa
        não era o que eu imaginava
        na foto [era bem mais bonito|engana bem]
        nem sei o que dizer
        fica a lição
        vida que segue
    """),
    "atraso": lines("""
        [já tinha até desistido|quase cancelei|já tava achando que era golpe]
        o rastreio [não atualizava|ficou parado|era uma piada]
        [precisava|eu precisava] com urgência
        perdi [a data da festa|o aniversário|a viagem] por causa disso
        prazo pra quê, se não cumprem?
        [nem um aviso sequer|sem nenhum aviso|e sem avisar nada]
        cada dia uma previsão diferente
        a transportadora é [um lixo|péssima|uma bagunça]
    """),
    "defeito": lines("""
        parece que nem testam antes de mandar
        [deve ser|parece] [de segunda mão|usado|reembalado|mostruário]
        nem cheguei a usar direito
        controle de qualidade [zero|não existe|passou longe]
        [embalagem|caixa] toda [amassada|detonada]
        tenho [fotos|vídeo] pra provar
        [muito|bem] vagabundo
        nem tirei todo o plástico e já deu nisso
    """),
    "produto_errado": lines("""
        como conseguem errar [isso|uma coisa dessas]?
        era só ler o pedido
        na nota fiscal [tá certinho|consta o certo], na caixa não
        nem conferem antes de despachar
        [fiquei|to] com uma coisa aqui que não me serve pra nada
        [abri a caixa|quando abri] e não acreditei
        [propaganda enganosa|falta de atenção] total
    """),
    "nao_chegou": lines("""
        já [cansei de esperar|desisti de esperar|nem sei mais o que fazer]
        o dinheiro já saiu da conta[| faz tempo]
        na hora de cobrar são rápidos
        [isso é caso de procon|vou no procon|procon neles]
        fiquei de mãos vazias
        [será que é golpe?|to achando que é golpe|cheiro de golpe]
        ninguém sabe onde foi parar
        a transportadora joga a culpa na loja e a loja na transportadora
    """),
    "atendimento": lines("""
        depois que a gente paga esquecem que existe cliente
        tratam a gente [como lixo|como se fosse favor|com desprezo]
        só querem saber de vender
        falta [treinamento|educação|respeito|boa vontade]
        cada [um|hora um] fala uma coisa
        [canseira|uma canseira] sem fim
        parece que [estão fazendo favor|é um robô do outro lado]
    """),
}

SARCASM = {
    "nenhum": lines("""
        [melhor compra da minha vida|nota mil|amei], só que não
        parabéns aos envolvidos[|, viu]
        maravilha de compra... pra quem gosta de passar raiva
    """),
    "atraso": lines("""
        parabéns pela [pontualidade|agilidade|rapidez][, viu|, hein|]
        acho que [veio a pé|veio de jegue|mandaram de jangada|o entregador parou pra tirar férias no caminho]
        [rápidos|ligeiros] como uma tartaruga [manca|com sono|de muleta]
        se eu fosse buscar a pé [chegava antes|tinha chegado primeiro]
        [devem estar usando pombo correio|pombo correio é mais rápido]
        entrega expressa... nível cágado
    """),
    "defeito": lines("""
        pelo menos serve de [enfeite|peso de papel|decoração]
        [ótimo|perfeito|excelente] pra quem gosta de jogar dinheiro no lixo
        que capricho[, hein|, parabéns|]
        [maravilha|que beleza], agora tenho [um enfeite novo|mais uma tralha em casa|sucata nova]
        parabéns, conseguiram vender lixo em caixa bonita
    """),
    "produto_errado": lines("""
        adorei a surpresa, pena que não era [meu aniversário|amigo secreto]
        parabéns pra quem separou o pedido, [um gênio|um artista|merece promoção]
        deve ser amigo secreto e esqueceram de me avisar
        [que legal|que emoção], uma caixa surpresa que eu não pedi
    """),
    "nao_chegou": lines("""
        deve estar [dando a volta ao mundo|fazendo turismo pelo Brasil|vindo de jangada|passeando por aí]
        [acho que|pelo visto] comprei um produto invisível
        parabéns, conseguiram [vender vento|me vender o nada]
        vai ver virou lenda[| urbana]
        [lindo|maravilhoso], só falta existir
    """),
    "atendimento": lines("""
        [deve ter um cacto|acho que é um poste] respondendo o chat
        adoro [falar com robô|conversar com a parede|musiquinha de espera]
        parabéns pelo [carinho|amor] com o cliente, [emocionante|to até chorando|viu]
        uns amores... [de longe|só que ao contrário]
    """),
}
