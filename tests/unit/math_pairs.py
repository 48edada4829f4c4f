r"""Pairs of a reference and an answer to compare: written by hand by kind, and drawn by a generator with a fixed seed.

It says nothing of which are equal; the test asks math-verify itself.
"""

from __future__ import annotations

import random
from fractions import Fraction

# kind -> gold | answers, one gold a line
WRITTEN = {
    "number": r"""
        72 | 72 ; 72.0 ; 72. ; 072 ; +72 ; -72 ; 71 ; 720 ; 7.2 ; 72.00 ; 72.5 ; seventy-two
        -3 | -3 ; 3 ; −3 ; - 3 ; -3.0 ; (-3)
        1200 | 1,200 ; 1200 ; 1{,}200 ; 1.200 ; 12,00 ; 1200.00 ; $1,200 ; \$1{,}200.00
        1234567 | 1,234,567 ; 1234567.0 ; 1,234,568 ; 1.234567 \times 10^6
        0.5 | .5 ; 0.50 ; 1/2 ; \frac12 ; \frac{2}{4} ; 0.05 ; 5 ; 0.5000001 ; 0.50001
        3.14 | 3.14 ; 3.140 ; \pi ; 3.1400001 ; 3.15 ; 157/50
        0 | 0 ; 0.0 ; -0 ; 0/5 ; \emptyset ; 1 ; 1-1
        1000000 | 10^6 ; 10^{6} ; 1e6 ; 1000000 ; 1 \times 10^6 ; 10^5
        123456789012345678 | 123456789012345678 ; 123456789012345679
        0.1 | 0.1 ; 0.10000001 ; \frac{1}{10} ; 10\% ; 0.11
    """,
    "unit": r"""
        18 | $18 ; \$18 ; 18 dollars ; 18\text{ dollars} ; 18 \text{ cm}^2 ; 18 cm ; 18 apples ; 18 m^2 ; 18x ; 18 hours
        5 | 5 feet ; 5 ft ; 5\,\text{ft} ; 5^\circ ; 5 degrees ; 5 \text{ degrees} ; 5 kg ; 5 million ; 5 dozen ; 5\pi
        18\text{ cm} | 18 ; 18 cm ; 18 \text{ cm} ; 19
        5000000 | 5 million ; 5 \text{ million} ; 5,000,000 ; 5 \cdot 10^6 ; 5 thousand
        72 | 72 \text{ million} ; 6 dozen ; 72 \text{ percent} ; 72 \text{ clips}
        90^\circ | 90 ; 90^{\circ} ; 90 degrees ; 45^\circ
    """,
    "fraction": r"""
        \frac{3}{4} | 3/4 ; 0.75 ; \dfrac{3}{4} ; \tfrac34 ; \frac{6}{8} ; \frac{4}{3} ; 75\% ; -\frac{3}{4} ; \frac34
        -\frac{1}{2} | \frac{-1}{2} ; -1/2 ; -0.5 ; \frac{1}{-2} ; \frac{1}{2} ; -.5
        \frac{1}{3} | 0.333333 ; 0.3333 ; 0.33 ; 1/3 ; \frac{2}{6} ; 0.\overline{3} ; .333333333
        1\frac{1}{2} | 3/2 ; 1.5 ; \frac{3}{2} ; 1 \frac{1}{2} ; 1 1/2 ; \frac{1}{2}
        \frac{22}{7} | 22/7 ; \pi ; 3.142857 ; 3.14
        2 3/4 | 2.75 ; 11/4 ; 2\frac{3}{4} ; 1.5
    """,
    "root": r"""
        3\sqrt{2} | \sqrt{18} ; 3*\sqrt{2} ; 3 \sqrt 2 ; 4.242641 ; 4.24 ; 2\sqrt{3} ; 3\sqrt2 ; \sqrt{2}\cdot 3
        \sqrt{5} | 5^{1/2} ; 5^{0.5} ; \sqrt 5 ; 2.236068 ; -\sqrt{5} ; \sqrt[3]{5}
        \frac{\sqrt{3}}{3} | \frac{1}{\sqrt{3}} ; \sqrt{3}/3 ; \frac{\sqrt3}{2} ; 0.57735
        2+\sqrt{3} | \sqrt{3}+2 ; 2-\sqrt{3} ; \frac{1}{2-\sqrt{3}} ; 3.732051
        \sqrt[3]{2} | 2^{1/3} ; 2^{\frac13} ; \sqrt{2} ; 1.259921
        \pi | \pi ; 3.14 ; 3.141593 ; 3.14159265358979 ; \frac{22}{7} ; 180^\circ
        e^2 | e^2 ; e^{2} ; 2e ; 7.389056
    """,
    "interval": r"""
        (1,2) | (1,2) ; (1, 2) ; [1,2] ; (2,1) ; 1,2 ; (1.0,2.0) ; \left(1,2\right) ; (1;2)
        [0,1) | [0,1) ; [0, 1) ; [0,1] ; (0,1) ; \left[0,1\right) ; [0,1.0) ; 0 \le x < 1
        (-\infty,3] | (-\infty, 3] ; (-\infty,3) ; (-oo,3] ; x \le 3 ; [3,\infty) ; (-infinity, 3]
        (-\infty,1)\cup(2,\infty) | (-\infty,1) \cup (2,\infty) ; (2,\infty)\cup(-\infty,1) ; (-\infty,2)\cup(1,\infty)
        [2,5] | [2,5] ; 2 \leq x \leq 5 ; [2,6] ; x \in [2,5] ; \{2,5\}
    """,
    "set": r"""
        \{1,2,3\} | \{3,2,1\} ; \{1, 2, 3\} ; 1,2,3 ; \{1,2\} ; \{1,2,3,4\} ; 1, 2, and 3 ; (1,2,3) ; [1,2,3]
        1,2 | 2,1 ; 1 and 2 ; 1 \text{ and } 2 ; 1 ; 1 or 2 ; 1,3 ; \{1,2\} ; x=1,x=2 ; 1, 2
        -2,2 | \pm 2 ; 2,-2 ; 2 ; -2 ; \{2,-2\} ; 2 or -2
        \frac{1}{2},3 | 0.5,3 ; 3, 1/2 ; \{3,\frac12\} ; 3
        \emptyset | \emptyset ; \varnothing ; \{\} ; 0 ; \text{no solution}
        \{1,2\}\cup\{3\} | \{1,2,3\} ; \{1,2\}
    """,
    "tuple": r"""
        (1,2,3) | (1,2,3) ; (1, 2, 3) ; (3,2,1) ; 1,2,3 ; (1.0,2,3) ; (1,2)
        (\frac{1}{2},-1) | (0.5,-1) ; (1/2, -1) ; (-1,\frac12) ; (\frac{1}{2},1)
        (3,\frac{\pi}{2}) | (3, \pi/2) ; \left( 3, \frac{\pi}{2} \right) ; (3,1.570796) ; (\frac{\pi}{2},3)
        x=1, y=2 | x=1, y=2 ; x=1,y=3 ; (1,2) ; y=2, x=1
    """,
    "percent": r"""
        50\% | 50\% ; 50% ; 50 ; 0.5 ; \frac{1}{2} ; 50 percent ; 50.0\% ; 5\% ; 51\% ; 50 \text{ percent}
        12.5\% | 12.5% ; 12.50\% ; 0.125 ; 12.5 ; \frac18 ; 12\%
        20 | 20\% ; 20% ; 20 percent ; 0.2 ; 0.2\%
        0.25 | 25\% ; 25 ; 0.25 ; 25%
    """,
    "text": r"""
        \text{Evelyn} | Evelyn ; \text{Evelyn} ; evelyn ; \text{evelyn} ; \mathrm{Evelyn} ; \text{Briana} ; Evelyn.
        blue | blue ; Blue ; \text{blue} ; lube ; green ; \textbf{blue}
        \text{(B)} | B ; (B) ; \text{B} ; \text{(B)} ; C ; b ; \text{(C)}
        A | A ; (A) ; \text{A} ; B
        \text{no solution} | no solution ; \text{No solution} ; \emptyset ; \text{one solution}
        \text{even} | even ; \text{odd} ; odd ; Even
        east | east ; seat ; \text{east} ; west
    """,
    "matrix": r"""
        \begin{pmatrix}1&2\\3&4\end{pmatrix} | \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} ; \begin{bmatrix}1&2\\3&4\end{bmatrix} ; \begin{pmatrix}1&2\\4&3\end{pmatrix} ; \begin{pmatrix}1.0&2\\3&4\end{pmatrix} ; \begin{pmatrix}1&3\\2&4\end{pmatrix}
        \begin{pmatrix}1\\\frac{1}{2}\end{pmatrix} | \begin{pmatrix}1\\0.5\end{pmatrix} ; \begin{pmatrix}1\\1/2\end{pmatrix} ; \begin{pmatrix}\frac12\\1\end{pmatrix} ; (1,\frac12)
    """,  # noqa: E501 (a matrix is one word)
    "equation": r"""
        x=5 | 5 ; x = 5 ; x=5.0 ; y=5 ; 5=x ; x=6 ; x = \frac{10}{2}
        5 | x=5 ; n = 5 ; x=6 ; 2+3=5 ; 5=6 ; x \le 5
        y=2x+1 | y = 2x + 1 ; y=1+2x ; 2x+1 ; 2x-y+1=0 ; y=2x-1 ; y-2x=1
        x^2+y^2=4 | y^2+x^2=4 ; x^2+y^2-4=0 ; x^2+y^2=2 ; 4=x^2+y^2
        x<5 | x < 5 ; 5>x ; x \le 5 ; x>5 ; x<4
        2 < x < 5 | 2<x<5 ; 5>x>2 ; 2<x<6 ; 2 \le x \le 5
    """,
    "expression": r"""
        x^2+2x+1 | (x+1)^2 ; 1+2x+x^2 ; x^2+1 ; x(x+2)+1 ; (x-1)^2
        2x | x+x ; 2*x ; 2\cdot x ; x^2 ; 2y
        \frac{x}{2} | 0.5x ; x/2 ; \frac{1}{2}x ; 2x
        \sin x | \sin(x) ; \sin{x} ; \cos x
        \sin^2 x+\cos^2 x | 1 ; 2
        n! | n! ; n
        2^{10} | 1024 ; 2^10 ; 2^{9}\cdot 2 ; 1000
        10! | 3628800 ; 10!
        \binom{5}{2} | 10 ; \frac{5!}{2!3!} ; 20
        \log_2 8 | 3 ; \log_{2}{8} ; 2
        2+3i | 3i+2 ; 2-3i ; 2+3i
        |x| | |x| ; x
        48+24 | 72 ; 73
        \lfloor 3.7 \rfloor | 3 ; 4
    """,
    "malformed": r"""
        7 | \frac{7 ; \frac{7}{ ; 7} ; {7 ; \sqrt ; \left(7 ; 7\\ ; $7 ; 7$ ; \frac{14}2 ; \text{7 ; ((7) ; 7) ; \frac{}{} ; ^7 ; 7^
        \frac{1}{2} | \frac{1}{2 ; \frac{1} ; \frac12} ; \frac 1 2 ; \frac{1}{2}} ; 1/ ; /2 ; \frac{1}{0} ; \farc{1}{2}
        5 | ??? ; ... ; -- ; \ ; \\ ; \{ ; \} ; = ; =5 ; 5= ; ,5 ; 5, ; nan ; \infty ; \text{} ; \quad 5 ; 5 5 ; 5.5.5
    """,  # noqa: E501
}


def written() -> list[tuple[str, str, str]]:
    """(kind, gold, answer) of every case above."""
    found = []
    for kind, table in WRITTEN.items():
        for line in filter(None, map(str.strip, table.splitlines())):
            gold, _, answers = line.partition(" | ")
            found += [(kind, gold.strip(), one.strip()) for one in answers.split(" ; ")]
    return found


def drawn(n: int, seed: int = 0) -> list[tuple[str, str, str]]:
    """n pairs of numbers, half of them the same value in two spellings, half of them values that nearly are."""
    rng = random.Random(f"math pairs {seed}")
    found = []
    for i in range(n):
        value = rng.choice(
            (Fraction(rng.randint(-50, 5000)), Fraction(rng.randint(-99, 9999), rng.choice((2, 4, 5, 8, 100))))
        )
        other = value if i % 2 else value + rng.choice((1, -1, Fraction(1, 10), Fraction(1, 100), 10, value))
        found.append(("drawn", rng.choice(spellings(value)), rng.choice(spellings(other))))
    return found


def spellings(value: Fraction) -> list[str]:
    """Ways to write a number whose decimals end."""
    plain = f"{float(value):.6f}".rstrip("0").rstrip(".")
    grouped = f"{float(value):,.6f}".rstrip("0").rstrip(".")
    ways = [plain, grouped, f"${grouped}", f"{plain} apples", f"x={plain}", rf"\text{{{plain}}}"]
    if value.denominator == 1:
        ways += [f"{value}.00", f"{value}.0", rf"{2 * value}/2"]
    else:
        sign = "-" if value < 0 else ""
        ways += [f"{value}", rf"{sign}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}", f"{plain}0"]
    return ways
