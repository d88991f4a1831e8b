"""The review in a real browser: text stays text, everybody can read it, on a screen, on a phone and on paper."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from drivetrain import audit, evidence, examples, review
from drivetrain.errors import SpecError
from drivetrain.spec import load_spec, load_text
from drivetrain.spec.reading import read
from tests import browsing, fabricated
from tests.test_review import DRAFT
from tests.test_review_differences import leaves, put

pytestmark = pytest.mark.full

SCRIPT = "<script>window.owned=1</script>"
HOSTILE = f"{SCRIPT}\"'><img src=x onerror=window.owned=1> [a](javascript:owned=1) <svg/onload=owned=1> ]]>"
GALLERY = [entry.name for entry in examples.gallery()]
OURS = {"id", "level", "kind", "name", "against", "policy", "label", "direction", "state", "step", "model", "outcome"}
"""Keys of evidence that a step itself fills with words of ours."""


@pytest.fixture(scope="module")
def browser():
    with browsing.opened("about:blank", (1280, 900)) as started:
        yield started


def hostile_text(text: str) -> str:
    """A plan in which every text that may say anything says something hostile."""
    tree, touched = read(text).tree, 0
    for path, value in list(leaves(tree)):
        if not isinstance(value, str) or path == ("project", "slug"):
            continue
        changed = put(tree, path, HOSTILE[:100] if path[:2] == ("project", "name") else HOSTILE)
        try:
            load_text(yaml.safe_dump(changed, sort_keys=False))
        except SpecError:
            continue  # a name, a formula or a choice: the plan refuses it
        tree, touched = changed, touched + 1
    assert touched >= 8
    return yaml.safe_dump(tree, sort_keys=False)


def hostile_tree(value, key=""):
    if isinstance(value, dict):
        return {k: hostile_tree(v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile_tree(v, key) for v in value]
    return HOSTILE if isinstance(value, str) and key not in OURS else value


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A project in which the plan, its evidence, its checklist and a signature are hostile."""
    root = tmp_path_factory.mktemp("hostile")
    spec, _ = fabricated.mail(root)
    check = {"findings": [{"id": "DA101", "level": "warn", "where": HOSTILE, "what": HOSTILE, "advice": HOSTILE}]}
    evidence.record(root, "check", check, reads={}, data=fabricated.fingerprints(spec))
    audit.run(spec)
    for path in (root / "evidence").glob("*.json"):
        body = json.loads(path.read_text(encoding="utf-8"))
        body["result"] = hostile_tree(body["result"])
        path.write_text(json.dumps(body), encoding="utf-8")
    answer = f"items: {{team: {{status: no, owner: {json.dumps(HOSTILE)}, note: {json.dumps(HOSTILE)}}}}}\n"
    (root / "checklist.yaml").write_text(answer, encoding="utf-8")
    for key, value in (("user.name", HOSTILE), ("user.email", "a@b")):
        subprocess.run(["git", "init", "-q", str(root)], check=True)
        subprocess.run(["git", "-C", str(root), "config", key, value], check=True)
    held = review.build(spec)
    lacking = review.closed(held.gates, "plan")
    review.sign(spec, "plan", lacking, conditions=[HOSTILE], dissent=[HOSTILE])
    (root / "before.yaml").write_text((root / "drivetrain.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (root / "drivetrain.yaml").write_text(hostile_text(fabricated.MAIL), encoding="utf-8")
    return load_spec(root)


@pytest.fixture(scope="module")
def pages(tmp_path_factory, hostile):
    """Name -> file of a page, from a draft of a paragraph to a project in which every step has run."""
    root = tmp_path_factory.mktemp("pages")
    full = root / "full"
    spec, _ = fabricated.mail(full)
    audit.run(spec)
    made = {"full": load_spec(full), "hostile": hostile, "draft": load_text(DRAFT)}
    made |= {name: load_spec(examples.path(name)) for name in GALLERY}
    files = {}
    for name, plan in made.items():
        files[name] = root / f"{name}.html"
        against = str(hostile.root / "before.yaml") if name == "hostile" else None
        files[name].write_text(review.render(review.build(plan, against=against), "html"), encoding="utf-8")
    return files


def shown(browser, page: Path) -> str:
    """Open a page; what it says, everything unfolded."""
    browser.get(page.as_uri())
    browsing.unfold(browser)
    return str(browser.execute_script("return document.body.innerText"))


def nothing_ran(browser) -> None:
    assert browser.execute_script("return window.owned") is None
    assert not browser.execute_script(
        "return [...document.querySelectorAll('*')].filter(one => [...one.attributes].some(a => "
        "a.name.startsWith('on') || /^\\s*javascript:/i.test(a.value))).map(one => one.outerHTML)"
    )
    assert not [line for line in browser.get_log("browser") if "favicon" not in line["message"]]


class TestTextStaysText:
    def test_on_the_page_whatever_says_it(self, browser, pages):
        text = shown(browser, pages["hostile"])
        nothing_ran(browser)
        assert text.count(HOSTILE) > 20
        assert not browser.execute_script("return document.querySelectorAll('script, img, iframe, object').length")

    def test_in_the_picture_on_its_own(self, browser, pages, tmp_path):
        page = pages["hostile"].read_text(encoding="utf-8")
        for number, svg in enumerate(re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)):
            file = tmp_path / f"{number}.svg"
            file.write_text(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1), encoding="utf-8")
            browser.get(file.as_uri())
            assert browser.execute_script("return document.documentElement.tagName") == "svg"  # it parses as XML
            assert not browser.execute_script("return document.querySelectorAll('script, foreignObject, a').length")
            nothing_ran(browser)

    @pytest.mark.parametrize("security", ["strict", "loose"])
    def test_in_mermaid(self, browser, hostile, tmp_path, security):
        diagram = json.loads(review.render(review.build(hostile), "json"))["picture"]["mermaid"]
        file = tmp_path / "mermaid.html"
        library = (browsing.MODULES / "mermaid" / "dist" / "mermaid.min.js").as_uri()
        page = (
            f'<!DOCTYPE html><meta charset="utf-8"><title>mermaid</title><body></body><script src="{library}"></script>'
        )
        file.write_text(page, encoding="utf-8")
        browser.get(file.as_uri())
        text = browser.execute_async_script(
            "const [diagram, securityLevel, done] = arguments;"
            "mermaid.initialize({startOnLoad: false, securityLevel});"
            "mermaid.render('it', diagram).then(({svg}) => { document.body.innerHTML = svg;"
            "  setTimeout(() => done(document.body.textContent), 300) }, fault => done('FAULT ' + fault))",
            diagram,
            security,
        )
        assert SCRIPT in text
        assert not browser.execute_script("return document.querySelectorAll('body script, img').length")
        nothing_ran(browser)

    @pytest.mark.parametrize("document", ["review", "docs/onboarding.md", "docs/model_card.md", "docs/datasheet.md"])
    def test_in_markdown_that_takes_html(self, browser, hostile, tmp_path, document):
        held = review.build(hostile, against=str(hostile.root / "before.yaml"))
        text = review.render(held, "markdown") if document == "review" else review.documents(hostile)[document]
        self.opened(browser, tmp_path, text)
        seen = browser.execute_script(
            "document.querySelectorAll('details').forEach(one => { one.open = true }); return document.body.innerText"
        )
        assert seen.count(SCRIPT) >= 3
        assert not browser.execute_script("return document.querySelectorAll('script, img, iframe').length")
        nothing_ran(browser)

    def test_in_messages_of_sarif(self, browser, hostile, tmp_path):
        body = json.loads(review.render(review.build(hostile), "sarif"))
        for result in body["runs"][0]["results"]:
            # A viewer of SARIF makes links of [text](target) in a message, and of nothing else.
            assert not re.search(r"(?<!\\)\]\(", result["message"]["text"])

    def opened(self, browser, tmp_path, text: str) -> None:
        file = tmp_path / "markdown.html"
        file.write_text("<!DOCTYPE html><title>markdown</title><body></body>", encoding="utf-8")
        browser.get(file.as_uri())
        library = browsing.MODULES / "markdown-it" / "dist" / "browser" / "markdown-it.umd.min.js"
        browser.execute_script(library.read_text(encoding="utf-8"))
        browser.execute_script(
            "document.body.innerHTML = window.markdownit({html: true, linkify: true}).render(arguments[0])", text
        )


class TestEverybodyCanRead:
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("name", ["draft", "full", "hostile", "skin-screening", "insurance-pricing"])
    def test_axe_finds_no_fault(self, browser, pages, name, scheme):
        browsing.media(browser, scheme=scheme)
        browser.get(pages[name].as_uri())
        browsing.unfold(browser)
        assert browsing.barriers(browser) == []
        browsing.media(browser)

    def test_the_html_is_valid(self, pages, tmp_path):
        (tmp_path / ".htmlvalidate.json").write_text('{"root": true, "extends": ["html-validate:standard"]}')
        done = subprocess.run(
            ["node", str(browsing.MODULES / "html-validate" / "bin" / "html-validate.mjs"),
             "--config", str(tmp_path / ".htmlvalidate.json"), *map(str, pages.values())],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("pixels", [360, 800, 1280])
    def test_nothing_runs_off_the_screen(self, browser, pages, pixels):
        browsing.width(browser, pixels)
        for page in pages.values():
            browser.get(page.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= pixels, page.stem
        browsing.width(browser, 0)

    def test_on_paper_it_fits_and_shows_what_is_due_without_colours_of_the_night(self, browser, pages):
        browsing.media(browser, kind="print", scheme="dark")
        browsing.width(browser, 688)  # A4 less its margins
        for page in pages.values():
            browser.get(page.as_uri())
            assert browser.execute_script("return document.documentElement.scrollWidth") <= 688, page.stem
            assert (
                browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
            )
            assert not browser.execute_script("return document.querySelector('nav').offsetHeight")
            due = "[...document.querySelectorAll('details.gate:not(.screen) li')]"
            assert browser.execute_script(f"return {due}.filter(one => !one.offsetHeight).length") == 0, page.stem
        browsing.width(browser, 0)
        browsing.media(browser)

    def test_light_and_dark_differ(self, browser, pages):
        colours = set()
        for scheme in ("light", "dark"):
            browsing.media(browser, scheme=scheme)
            browser.get(pages["draft"].as_uri())
            colours.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
        assert len(colours) == 2
        browsing.media(browser)

    def test_it_works_by_keyboard(self, browser, pages):
        from selenium.webdriver.common.keys import Keys

        browser.get(pages["draft"].as_uri())
        active = browser.switch_to.active_element
        active.send_keys(Keys.TAB)
        first = browser.switch_to.active_element
        assert first.text == "To the review"
        first.send_keys(Keys.ENTER)
        assert browser.current_url.endswith("#main")
        seen = []
        for _ in range(40):
            browser.switch_to.active_element.send_keys(Keys.TAB)
            now = browser.switch_to.active_element
            seen.append((now.tag_name, now.text))
            if now.tag_name == "summary" and "more" in now.text:
                break
        assert ("section", "") in [(tag, "") for tag, _ in seen]  # the picture can be scrolled
        assert seen[-1][0] == "summary"
        browser.switch_to.active_element.send_keys(Keys.ENTER)
        assert browser.execute_script("return document.activeElement.parentElement.open")
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid"

    def test_no_page_asks_the_network_for_anything(self, browser, pages):
        browser.get_log("performance")
        for page in pages.values():
            browser.get(page.as_uri())
        sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        asked = {s["params"]["request"]["url"] for s in sent if s["method"] == "Network.requestWillBeSent"}
        assert asked == {page.as_uri() for page in pages.values()}


@pytest.mark.parametrize("name", [*GALLERY, "hostile"])
def test_sarif_and_junit_are_what_their_readers_take(hostile, name):
    from jsonschema import Draft7Validator
    from junitparser import Failure, JUnitXml

    spec = hostile if name == "hostile" else load_spec(examples.path(name))
    held = review.build(spec)
    [schema] = (browsing.MODULES / "@microsoft" / "jest-sarif" / "lib" / "schemas").glob("sarif-2.1.0*.json")
    judge = Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    assert [fault.message for fault in judge.iter_errors(json.loads(review.render(held, "sarif")))] == []
    suites = JUnitXml.fromstring(review.render(held, "junit").encode())
    failed = [case for suite in suites for case in suite if any(isinstance(r, Failure) for r in case.result)]
    assert len(failed) == sum(len(gate.missing) for gate in held.gates if gate.due)


def test_a_page_that_does_run_a_script_is_noticed(browser, tmp_path):
    """The test of the test: what is asserted above can fail."""
    file = tmp_path / "bad.html"
    file.write_text(f"<!DOCTYPE html><title>bad</title><body>{HOSTILE}</body>", encoding="utf-8")
    browser.get(file.as_uri())
    assert browser.execute_script("return window.owned") == 1
    with pytest.raises(AssertionError):
        nothing_ran(browser)
