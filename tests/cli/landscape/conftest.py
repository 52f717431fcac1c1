"""Pages of the landscape commands with small pictures: drawing them whole is tested elsewhere."""

import io

import pytest

import rmtland.report
from rmtland.report import Picture


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Draw a figure in a page once, small, and not as SVG and in two sizes."""

    def drawn(figure, *, caption="", name=""):
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=20)
        return Picture((("image/png", stream.getvalue()),), "small", caption=caption, name=name)

    monkeypatch.setattr(rmtland.report, "picture_of", drawn)
