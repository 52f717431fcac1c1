"""Moments of the Hessian of a linear network by words: what every route to the law must give.

A field is a pair of places among outputs "o", hidden units "h" and samples "s": A = (o, h), B =
(h, s), where a step in or out of B multiplies by the root of an eigenvalue of X^T X/m ("r"). One
power of H is one of a few chains of moves, each of one particle. A closed walk whose particles come
home in their own places is the product of the traces of two words.
"""

from functools import cache

import numpy as np

STEPS = {
    "A": [
        ("A", [("h", "s"), ("s", "h")]),
        ("B", [("h", "s"), ("o", "h"), ("r", "r")]),
        ("B", [("o", "s"), ("r", "r")]),
    ],
    "B": [
        ("B", [("r", "r"), ("h", "o"), ("o", "h"), ("r", "r")]),
        ("A", [("r", "r"), ("h", "o"), ("s", "h")]),
        ("A", [("r", "r"), ("s", "o")]),
    ],
}
START = {"A": ("o", "h"), "B": ("h", "s")}


@cache
def closed_words(field, power):
    """Pairs of words of the two particles, first those that start at START[field][0]."""
    found = []

    def walk(here, places, words, left):
        if not left:
            if here == field and places == START[field]:
                found.append(words)
            return
        for there, moves in STEPS[here]:
            now, said = list(places), [list(word) for word in words]
            for a, b in moves:
                mover = now.index("s" if a == "r" else a)
                said[mover].append("r" if a == "r" else a + b)
                now[mover] = now[mover] if a == "r" else b
            walk(there, tuple(now), tuple(tuple(word) for word in said), left - 1)

    walk(field, START[field], ((), ()), power)
    return found


class WordTraces:
    """Traces of words: in the limit, or of given matrices."""

    def __init__(self, sizes, nodes, weights, *, epsilon, leg=None):
        self.sizes, self.nodes, self.weights = sizes, nodes, weights
        self.epsilon, self.leg, self.known = epsilon, leg, {}

    def limit(self, word, place):
        """Mean trace, by pairings that do not cross."""
        value = self._value(word)
        return (
            float(self.weights @ np.broadcast_to(value, self.nodes.shape))
            if place == "s"
            else value
        )

    def _value(self, word):
        if not word:
            return 1.0
        if word not in self.known:
            self.known[word] = self._sum(word)
        return self.known[word]

    def _sum(self, word):
        if word[0] == "r":
            return np.sqrt(self.nodes) * self._value(word[1:])
        total = 0.0
        for j in range(1, len(word)):
            if word[j] == word[0][::-1] and self._closed(word[1:j], word[0][1]):
                total = total + self._covered(word[0], self._value(word[1:j])) * self._value(
                    word[j + 1 :]
                )
        return total

    def _closed(self, word, place):
        moves = [letter for letter in word if letter != "r"]
        return not moves or (moves[0][0] == place == moves[-1][1])

    def _covered(self, letter, inner):
        n0, n1, n2, m = self.sizes
        variance = self.nodes / n0  # of the features over sqrt m
        if letter == "hs":
            return m * float(self.weights @ (variance * inner))
        if letter == "sh":
            return n1 * variance * inner
        if letter == "os":
            return 2 * self.epsilon * float(self.weights @ (inner * np.ones_like(self.nodes)))
        return {"so": 2 * self.epsilon * n2 / m, "oh": 1.0, "ho": n2 / n1}[letter] * inner

    def drawn(self, word, place):
        """Trace for the matrices of the leg."""
        leg = self.leg
        matrices = {"hs": leg.features, "oh": leg.second, "os": leg.residuals}
        size = {"o": len(leg.second), "h": len(leg.features), "s": leg.spectrum.size}[place]
        product = np.eye(size, dtype=complex)
        for letter in word:
            if letter == "r":
                product = product * np.sqrt(leg.spectrum)
            elif letter in matrices:
                product = product @ matrices[letter]
            else:
                product = product @ matrices[letter[::-1]].conj().T
        return np.trace(product).real / size

    def moment(self, power, traces):
        """Moment of H, from two functions that take a word and the place where it starts."""
        n0, n1, n2, m = self.sizes
        total = 0.0
        for field, many in (("A", n1 * n2), ("B", n1 * m)):
            first, second = START[field]
            for one, other in closed_words(field, power):
                total += many * traces[0](one, first) * traces[1](other, second)
        return total / (n1 * (n0 + n2))
