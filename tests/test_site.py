"""The built site: figures with words, nothing from elsewhere, no page wider than a phone.

Skipped where it is not built: `sphinx-build docs docs/_build/html`, or its folder in RMTLAND_SITE.
"""

import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import browser

SITE = Path(
    os.environ.get("RMTLAND_SITE", Path(__file__).parent.parent / "docs" / "_build" / "html")
)
PHONE = 360
SEARCHES = {
    "3/2 law": "api/rmtland.models.WishartPlusWigner",
    "critical energy exponent": "api/rmtland.models.WishartPlusWigner",
    "Critical energy": "api/rmtland.models.WishartPlusWigner",
    "Wishart + Wigner": "api/rmtland.models.WishartPlusWigner",
    "index against energy": "auto_gallery/plot_index",
    "Marchenko-Pastur": "api/rmtland.laws.MarchenkoPastur",
    "Marchenko Pastur": "api/rmtland.laws.MarchenkoPastur",
    "MarchenkoPastur": "api/rmtland.laws.MarchenkoPastur",
    "semicircle law": "api/rmtland.laws.Semicircle",
    "generalised Marchenko-Pastur equation": "api/rmtland.free.general_marchenko_pastur",
    "free product": "api/rmtland.free.free_product",
    "free_product": "api/rmtland.free.free_product",
    "free convolution": "api/rmtland.free.free_sum",
    "R-transform": "api/rmtland.free.FreeLevy",
    "Stieltjes transform": "api/rmtland.laws.Law",
    "BBP transition": "api/rmtland.free.spiked",
    "matrix Dyson equation": "api/rmtland.free.MatrixDyson",
    "deconvolve a measured spectrum": "tutorials/deconvolution",
    "Tracy-Widom": "api/rmtland.laws.TracyWidom",
    "Stieltjes transform of the semicircle": "api/rmtland.laws.Semicircle",
    "R-transform ReLU block": "api/rmtland.models.WishartPlusReluBlock",
    "prefactor 3/2": "api/rmtland.models.WishartPlusWigner",
    "subordination": "api/rmtland.free.free_sum",
    "matrix Dyson": "api/rmtland.free.MatrixDyson",
    "R-operator product": "api/rmtland.networks.LossPoint",
    "BBP outlier": "api/rmtland.free.spiked",
    "how many negative eigenvalues": "api/rmtland.estimate.negative_fraction",
    "stochastic Lanczos quadrature": "api/rmtland.estimate.spectral_density",
    "trained network law": "api/rmtland.models.ConditionedHessian",
    "neural tangent kernel": "api/rmtland.models.NeuralTangentKernel",
    "conjugate kernel": "api/rmtland.models.ConjugateKernel",
    "critical points without their weights": "api/rmtland.models.CriticalPointHessian",
    "halting time": "api/rmtland.optimizer.halting_time",
    "sharpness": "api/rmtland.landscape.sharpness.ball_sharpness",
    "SGD noise": "api/rmtland.landscape.noise",
    "PAC-Bayes": "api/rmtland.landscape.pac_bayes.pac_bayes_bounds",
    "number of signals": "api/rmtland.comparison.signals",
    "power law tail": "api/rmtland.comparison.power_tail",
    "edge of stability": "auto_gallery/plot_edge_of_stability",
    "which assumption fails": "tutorials/hessian_and_audit",
    "Hessian of my PyTorch model": "tutorials/your_torch_model",
    "Gauss-Newton matrix": "api/rmtland.networks.LossPoint",
    "Fisher information matrix": "api/rmtland.adapters.from_torch",
    "kernel polynomial method": "api/rmtland.estimate.spectral_density",
    "spectral density of Hessian": "api/rmtland.estimate.spectral_density",
    "spiked covariance": "api/rmtland.free.spiked",
    "dynamical isometry": "api/rmtland.models.InputOutputJacobian",
    "mean field": "api/rmtland.models.InputOutputJacobian",
    "arc-cosine kernel": "api/rmtland.models.ConjugateKernel",
    "logistic regression Hessian": "api/rmtland.models.GeneralisedLinearHessian",
    "filter normalisation": "api/rmtland.landscape.slices.filter_normalised",
    "filter normalization": "api/rmtland.landscape.slices.filter_normalised",
    "SAM": "api/rmtland.landscape.sharpness.ball_sharpness",
    "trace of Hessian": "api/rmtland.estimate.trace",
    "Hutchinson estimator": "api/rmtland.estimate.trace",
    "condition number": "api/rmtland.landscape.sharpness.curvature",
    "stationary distribution of SGD": "api/rmtland.landscape.noise.NoisyDescent",
    "minimum-norm solution": "api/rmtland.landscape.linearisation.LinearisedLoss",
    "permutation symmetry": "api/rmtland.landscape.connectivity.align",
    "operator-valued": "api/rmtland.free.MatrixDyson",
    "linearisation trick": "api/rmtland.free.law_of_polynomial",
    "commutator": "api/rmtland.free.law_of_polynomial",
    "anticommutator": "api/rmtland.free.law_of_polynomial",
    "Silverstein equation": "api/rmtland.free.general_marchenko_pastur",
    "Pastur equation": "api/rmtland.ensembles.DeformedWigner",
    "eigenvector overlap": "api/rmtland.free.Outlier",
    "Shapley": "api/rmtland.audit.audit_hessian",
    "phi": "vocabulary",
    "install": "install",
    "GPU": "devices",
}
"""What a reader types, and the page that answers."""
FIRST_HIT = """
    const hits = Search._performSearch(...Search._parseQuery(arguments[0]));
    return hits.length ? hits[hits.length - 1][0] : "nothing";
"""
WIDE = """
    const room = document.documentElement.clientWidth;
    const boxes = 'pre, table, .pst-scrollable-table-container, mjx-container, .math';
    const wide = (one) => one.getBoundingClientRect().right > room + 1
        || (one.clientWidth > 0 && one.scrollWidth > one.clientWidth + 1);
    const cut = [...document.querySelectorAll('.bd-article :is(h1, h2, h3, p, code, img)')]
        .filter((one) => !one.closest(boxes) && !one.querySelector(boxes) && wide(one));
    const bare = [...document.querySelectorAll('.bd-article table')].filter((one) =>
        !one.closest('.pst-scrollable-table-container') && wide(one));
    cut.push(...bare);
    return [Math.max(document.documentElement.scrollWidth, document.body.scrollWidth),
            cut.map((one) => one.textContent.slice(0, 60)).slice(0, 5)];
"""


def pages():
    if not (SITE / "index.html").exists():
        pytest.skip("the site is not built: sphinx-build docs docs/_build/html")
    return sorted(
        page
        for page in SITE.rglob("*.html")
        if not {"_modules", "_static"}.intersection(page.relative_to(SITE).parts)
    )


class Tags(HTMLParser):
    """Images without words, but for those beside a title; what is loaded from elsewhere."""

    def __init__(self):
        super().__init__()
        self.mute, self.remote, self.images = [], [], 0

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "img":
            self.images += 1
            words = (values.get("alt") or "").split()
            if len(words) < 3 and not re.search("_thumb|_static/", values.get("src") or ""):
                self.mute.append((values.get("src"), values.get("alt")))
        loads = {"script": "src", "img": "src", "iframe": "src"}.get(tag)
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            loads = "href"
        address = values.get(loads) if loads else None
        if address and re.match(r"(https?:)?//", address):
            self.remote.append(address)


def test_every_figure_has_words_and_nothing_is_loaded_from_elsewhere():
    images = 0
    for page in pages():
        tags = Tags()
        tags.feed(page.read_text("utf-8"))
        assert tags.mute == [], page
        assert tags.remote == [], page
        images += tags.images
    assert images >= 10


def test_sources_lead_back_to_what_they_document():
    pages()
    anchors, lost = {}, []
    for source in (SITE / "_modules").rglob("*.html"):
        links = re.findall(
            r'class="viewcode-back" href="([^"#]+)#([^"]+)"', source.read_text("utf-8")
        )
        for page, anchor in links:
            target = (source.parent / page).resolve()
            if target not in anchors:
                anchors[target] = set(re.findall(r'\bid="([^"]+)"', target.read_text("utf-8")))
            if anchor not in anchors[target]:
                lost.append((page, anchor))
    assert len(anchors) > 50
    assert lost == []


def test_search_works_without_a_network():
    pages()
    assert (SITE / "searchindex.js").stat().st_size > 10_000
    text = (SITE / "search.html").read_text("utf-8")
    assert "searchtools.js" in text


@pytest.mark.slow
def test_the_first_hit_answers(tmp_path):
    """The first hit of each search is the page that answers; the one shown first is that hit."""
    pages()
    with browser(tmp_path) as chrome:
        chrome.open((SITE / "search.html").as_uri() + "?q=3%2F2+law")
        shown = chrome.wait("document.querySelector('ul.search li a')?.getAttribute('href')")
        assert shown.removesuffix(".html") == SEARCHES["3/2 law"]
        found = {words: chrome.run(FIRST_HIT, words) for words in SEARCHES}
    assert found == SEARCHES


@pytest.mark.slow
def test_pages_fit_a_phone(tmp_path):
    """No page is pushed sideways and no word cut off; wide tables and code scroll in boxes."""
    found = [page for page in pages() if "api" not in page.relative_to(SITE).parts]
    with browser(tmp_path) as chrome:
        chrome.screen(PHONE, 740, mobile=True)
        wide = {}
        for page in found:
            chrome.open(page.as_uri())
            width, cut = chrome.run(WIDE)
            if width > PHONE or cut:
                wide[str(page.relative_to(SITE))] = (width, cut)
    assert wide == {}
