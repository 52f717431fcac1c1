// Order of the search: subjects of the index first, whose hits lead to the whole page; titles and
// objects as Sphinx has them; among pages that hold the words, the formula index and the API before
// lists of works, changes and measurements.
var Scorer = {
  score: (result) => {
    const [page, , , , score, , kind] = result;
    if (kind === "index") {
      result[2] = "";
      return score;
    }
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
