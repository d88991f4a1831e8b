"""The documentation site is built from the pages and from the code, and every link in it leads somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from browsing import barriers, opened

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", str(ROOT / "docs"), str(folder)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_link_of_the_site_leads_to_a_page_and_a_place_on_it(site: Path) -> None:
    pages = {path.resolve(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    places = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        for link in re.findall(r'<a [^>]*href="([^"]+)"', text):
            if re.match(r"[a-z]+:", link):
                continue
            target, _, place = link.partition("#")
            aim = (path.parent / unquote(target)).resolve() if target else path
            if not aim.exists() or (place and aim in places and unquote(place) not in places[aim]):
                broken.append(f"{path.relative_to(site.resolve())}: {link}")
    assert len(pages) > 30
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("reference/made/rules.html", "DT205, effect can be learned"),
        ("reference/made/questions.html", "who is worse off in it?"),
        ("reference/made/commands.html", "drivetrain validate"),
        ("reference/python.html", "drivetrain.policy.act"),
    ],
)
def test_reference_pages_are_made_from_the_code(site: Path, page: str, says: str) -> None:
    text = re.sub(r"<[^>]+>", "", (site / page).read_text(encoding="utf-8"))
    assert says in text


def test_the_site_needs_no_other_server_to_be_read(site: Path) -> None:
    for path in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*src="(https?:[^"]+)"', path.read_text(encoding="utf-8"))
        loaded += re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="(https?:[^"]+)"', path.read_text(encoding="utf-8"))
        assert not loaded, f"{path.name}: {loaded}"


@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_no_fault_in_the_site(site: Path, width: int) -> None:
    with opened((site / "index.html").as_uri(), (width, 900)) as browser:
        for page in (
            "index",
            "tutorial/first-decision",
            "explanation/comparison",
            "reference/matrix",
            "reference/figures",
        ):
            browser.get((site / f"{page}.html").as_uri())
            assert barriers(browser) == [], page
