// Order of the search: titles and objects as Sphinx has them; among pages that hold the words, the
// formula index and the API before lists of works, changes and measurements.
var Scorer = {
  score: (result) => {
    const [page, , , , score] = result;
    if (page === "formulas") return score + 6;
    if (page.startsWith("api/")) return score + 4;
    const late = ["bibliography", "changelog", "benchmarks", "deprecation", "figures", "statements"];
    return late.includes(page) ? score - 4 : score;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
