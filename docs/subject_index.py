"""Subjects of the index and of the search: what readers call a thing, and the page about it.

Sphinx takes an entry of its index before words in a text, so that the first hit of a search for one
of these is the page that answers. Each row of the formula index is a subject too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

__all__ = ["SUBJECTS", "entries_added", "formula_subjects", "page_of"]

SUBJECTS: dict[str, str] = {
    "3/2 law": "rmtland.models.WishartPlusWigner",
    "three halves law": "rmtland.models.WishartPlusWigner",
    "prefactor 3/2 law": "rmtland.models.WishartPlusWigner",
    "critical energy": "rmtland.models.WishartPlusWigner",
    "critical energy exponent": "rmtland.models.WishartPlusWigner",
    "Wishart plus Wigner": "rmtland.models.WishartPlusWigner",
    "index against energy": "auto_gallery/plot_index",
    "how many negative eigenvalues": "rmtland.estimate.negative_fraction",
    "number of negative eigenvalues": "rmtland.spectrum.inertia",
    "trained network law": "rmtland.models.ConditionedHessian",
    "Marchenko-Pastur": "rmtland.laws.MarchenkoPastur",
    "free convolution": "rmtland.free.free_sum",
    "free additive convolution": "rmtland.free.free_sum",
    "free multiplicative convolution": "rmtland.free.free_product",
    "free sum": "rmtland.free.free_sum",
    "free product": "rmtland.free.free_product",
    "R-transform": "rmtland.free.FreeLevy",
    "S-transform": "rmtland.free.free_product",
    "Stieltjes transform": "rmtland.laws.Law",
    "Cauchy transform": "rmtland.laws.Law",
    "phi": "vocabulary",
    "epsilon": "vocabulary",
    "epsilon_c": "vocabulary",
    "sigma": "vocabulary",
    "symbols": "vocabulary",
    "notation": "vocabulary",
    "BBP transition": "rmtland.free.spiked",
    "BBP outlier": "rmtland.free.spiked",
    "spiked matrix": "rmtland.free.spiked",
    "subordination": "rmtland.free.free_sum",
    "halting time": "rmtland.optimizer.halting_time",
    "sharpness": "rmtland.landscape.sharpness.ball_sharpness",
    "Lanczos": "estimates",
    "stochastic Lanczos quadrature": "rmtland.estimate.spectral_density",
    "spectral density": "rmtland.estimate.spectral_density",
    "trace estimation": "rmtland.estimate.trace",
    "Hutchinson": "rmtland.estimate.trace",
    "deconvolve a measured spectrum": "tutorials/deconvolution",
    "deconvolution": "rmtland.free.free_deconvolution",
    "which assumption fails": "tutorials/hessian_and_audit",
    "Hessian of my PyTorch model": "tutorials/your_torch_model",
    "PyTorch model": "tutorials/your_torch_model",
    "Hessian-vector product": "rmtland.adapters.from_torch",
    "R-operator product": "rmtland.networks.LossPoint",
    "R-transform ReLU block": "rmtland.models.WishartPlusReluBlock",
    "Gauss-Newton": "vocabulary",
    "critical points": "critical_points",
    "saddle points": "critical_points",
    "SGD noise": "rmtland.landscape.noise",
    "mode connectivity": "rmtland.landscape.connectivity",
    "PAC-Bayes": "rmtland.landscape.pac_bayes.pac_bayes_bounds",
    "learning rate": "optimizers",
    "momentum": "optimizers",
    "loss at minimisers": "rmtland.models.minimisers.MinimiserEnergy",
    "heavy tails": "rmtland.comparison.power_tail",
    "power law": "rmtland.comparison.power_tail",
    "WeightWatcher": "rmtland.comparison.spectra_of_weights",
    "nonlinear shrinkage": "rmtland.comparison.nonlinear_shrinkage",
    "Ledoit-Wolf": "rmtland.comparison.nonlinear_shrinkage",
    "two legs": "rmtland.models.TwoLegHessian",
    "product of Ginibre matrices": "rmtland.laws.FussCatalan",
    "matrix Dyson equation": "rmtland.free.MatrixDyson",
    "Kolmogorov distance": "rmtland.comparison.compare",
    "Wasserstein distance": "rmtland.comparison.compare",
    "distance between two laws": "rmtland.comparison.kolmogorov_distance",
    "earth mover's distance": "rmtland.comparison.wasserstein_distance",
    "goodness of fit": "rmtland.comparison.goodness_of_fit",
    "p-value": "rmtland.comparison.goodness_of_fit",
    "GPU": "devices",
    "cluster": "tutorials/sweep_on_a_cluster",
    "explorer": "explorer",
    "report": "command_line",
    "deep linear network": "rmtland.models.LinearHessian",
    "random features": "rmtland.models.NonlinearGram",
    "memorisation": "minimisers",
    "Gauss-Newton matrix": "rmtland.networks.LossPoint",
    "Fisher information matrix": "rmtland.adapters.from_torch",
    "kernel polynomial method": "rmtland.estimate.spectral_density",
    "spectral density of Hessian": "rmtland.estimate.spectral_density",
    "spiked covariance": "rmtland.free.spiked",
    "dynamical isometry": "rmtland.models.InputOutputJacobian",
    "mean-field": "rmtland.models.InputOutputJacobian",
    "arc-cosine kernel": "rmtland.models.ConjugateKernel",
    "logistic regression Hessian": "rmtland.models.GeneralisedLinearHessian",
    "filter normalisation": "rmtland.landscape.slices.filter_normalised",
    "filter normalization": "rmtland.landscape.slices.filter_normalised",
    "loss landscape visualization": "rmtland.landscape.slices.plane_slice",
    "SAM": "rmtland.landscape.sharpness.ball_sharpness",
    "trace of Hessian": "rmtland.estimate.trace",
    "Hutchinson estimator": "rmtland.estimate.trace",
    "condition number": "rmtland.landscape.sharpness.curvature",
    "stationary distribution of SGD": "rmtland.landscape.noise.NoisyDescent",
    "minimum-norm solution": "rmtland.landscape.linearisation.LinearisedLoss",
    "git re-basin": "rmtland.landscape.connectivity.align",
    "permutation symmetry": "rmtland.landscape.connectivity.align",
    "operator-valued": "rmtland.free.MatrixDyson",
    "linearisation trick": "rmtland.free.law_of_polynomial",
    "commutator": "rmtland.free.law_of_polynomial",
    "anticommutator": "rmtland.free.law_of_polynomial",
    "Silverstein equation": "rmtland.free.general_marchenko_pastur",
    "Pastur equation": "rmtland.ensembles.DeformedWigner",
    "eigenvector overlap": "rmtland.free.Outlier",
    "Shapley": "rmtland.audit.audit_hessian",
    "chance level": "rmtland.models.ConditionedHessian",
}
"""Page or object by subject."""


def formula_subjects(text: str) -> dict[str, str]:
    """Return object by subject of the rows of the formula index: their words before a formula."""
    found: dict[str, str] = {}
    for words, name in re.findall(r"^\| (.+?) \| `(rmtland[\w.]+)`", text, flags=re.MULTILINE):
        subject = re.split(r"[,:;(]", re.sub(r"\$(\w+)\$", r"\1", words))[0].strip()
        if len(subject.split()) > 1 and "$" not in subject and not subject.startswith("The same"):
            found[subject] = name
    return found


def page_of(name: str, folder: Path) -> str:
    """Return the page about an object, of its class for a method; a page is its own.

    What has no page, of a room that is not public, is on that of the formula index.
    """
    for place in (name, f"api/{name}", f"api/{name.rpartition('.')[0]}"):
        if any((folder / f"{place}.{ending}").exists() for ending in ("md", "rst")):
            return place
    return "formulas"


def entries_added(app: Any, page: str, source: list[str]) -> None:
    """Add to a page the entries of the index that lead to it, with hyphens and without."""
    folder = Path(app.srcdir)
    subjects = formula_subjects((folder / "formulas.md").read_text("utf-8")) | SUBJECTS
    for subject, name in subjects.items():
        if page_of(name, folder) != page:
            continue
        for words in dict.fromkeys((subject, subject.replace("-", " "))):
            if (folder / f"{page}.md").exists():
                source[0] += f"\n\n```{{index}} ! single: {words}\n```\n"
            else:
                source[0] += f"\n\n.. index:: ! single: {words}\n"
