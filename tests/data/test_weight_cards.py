"""Cards of published weights: what they say is valid; only the card's own file is fetched."""

import hashlib

import pytest
import requests
import yaml

from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.data import cards, download, weight_cards
from benchmark.scoring.metrics import PROTOCOLS
from benchmark.spec import config_reader, given_weights, registry, run_config
from tests.shared import shared

FILES = weight_cards.published_files()
CONTENT = b"some weights"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A card with one file, in a project of its own."""
    card = {
        "title": "Tiny",
        "method": "aodnet",
        "source": "https://example.org",
        "licence": "for research",
        "citation": "none",
        "protocol": "rgb",
        "reported_in": "README",
        "files": {
            "tiny": {
                "title": "Tiny net",
                "url": "https://example.org/raw/net_latest.pth",
                "sha256": hashlib.sha256(CONTENT).hexdigest(),
            }
        },
    }
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "tiny.yaml").write_text(yaml.safe_dump(card))
    monkeypatch.setattr(weight_cards, "CARDS", tmp_path / "cards")
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    return weight_cards.published_files()["tiny"]


@pytest.mark.parametrize("name", FILES)
def test_a_card_names_a_network_sets_and_a_protocol_that_exist(name):
    published = FILES[name]
    kind = registry.load(published.card.method)
    kind.Parameters(**published.file.parameters)
    assert published.card.protocol in PROTOCOLS
    assert len(published.file.sha256) == 64 and published.file.url.startswith("https://")
    for figure in published.file.figures:
        assert figure.split in cards.load_card(figure.dataset).splits


def test_no_weight_file_has_the_name_of_a_data_set():
    assert not {*FILES} & {path.stem for path in cards.CARDS.glob("*.yaml")}


def test_the_configuration_of_authors_weights_agrees_with_the_cards():
    config = config_reader.load(paths.find("config/authors.yaml"))
    by_place = {published.place: published for published in FILES.values()}
    for label in set(config.methods) - {"identity"}:
        published = by_place[config.weights_of(label, 0).file]
        assert config.method_of(label) == published.card.method
        assert config.entry(label).parameters == published.file.parameters
        assert {figure.dataset for figure in published.file.figures} <= {*config.datasets}


@pytest.mark.parametrize("name", FILES)
def test_a_published_file_fits_its_network(name):
    path = shared(f"real/weights/{SHARED_NAMES.get(name, FILES[name].path.name)}")
    published = FILES[name]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == published.file.sha256
    kind = registry.load(published.card.method)
    method = kind(kind.Parameters(**published.file.parameters))
    given_weights.load(method, run_config.WeightFile(file=str(path)))


SHARED_NAMES = {"aodnet": "aodnet_boyiliee.caffemodel", "aodnet_singal": "aodnet_mayanksingal.pth"}


def test_a_file_is_fetched_from_a_file(tiny, tmp_path):
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    weight_cards.fetch(tiny, [str(tmp_path / "mine.bin")])
    assert (tmp_path / "weights" / "tiny.pth").read_bytes() == CONTENT
    weight_cards.verify(tiny)
    weight_cards.fetch(tiny, [])  # it is there: nothing is downloaded
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["tiny.pth"]


def test_a_file_is_fetched_from_its_address(tiny, tmp_path, monkeypatch):
    asked = []

    def answer(url, part, note):
        asked.append(url)
        part.write_bytes(CONTENT)

    monkeypatch.setattr(download, "_continue", answer)
    weight_cards.fetch(tiny, [])
    assert asked == ["https://example.org/raw/net_latest.pth"]
    assert (tmp_path / "weights" / "tiny.pth").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["tiny.pth"]


@pytest.mark.parametrize("end", [requests.ConnectionError("reset"), KeyboardInterrupt()])
def test_a_download_that_breaks_off_goes_on_with_the_next_call(tiny, tmp_path, monkeypatch, end):
    def answer(url, part, note):
        if not part.exists():
            part.write_bytes(CONTENT[:4])
        raise end

    def go_on(url, part, note):
        assert part.read_bytes() == CONTENT[:4]
        part.write_bytes(CONTENT)

    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "_continue", answer)
    with pytest.raises((UserError, KeyboardInterrupt), match=r"after the first 4 bytes|^$"):
        weight_cards.fetch(tiny, [])
    monkeypatch.setattr(download, "_continue", go_on)
    weight_cards.fetch(tiny, [])
    assert (tmp_path / "weights" / "tiny.pth").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["tiny.pth"]


def test_a_download_is_kept_if_its_check_is_interrupted(tiny, tmp_path, monkeypatch):
    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(download, "_continue", lambda url, part, note: part.write_bytes(CONTENT))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(weight_cards, "checksum", interrupted)
        weight_cards.fetch(tiny, [])
    monkeypatch.setattr(download, "_continue", None)  # nothing more is downloaded
    weight_cards.fetch(tiny, [])
    assert [path.name for path in (tmp_path / "weights").iterdir()] == ["tiny.pth"]


def test_another_file_that_was_downloaded_is_not_kept(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "_continue", lambda url, part, note: part.write_bytes(b"others"))
    with pytest.raises(UserError, match=r"net_latest\.pth is not the file of the card"):
        weight_cards.fetch(tiny, [])
    assert not any((tmp_path / "weights").iterdir())


def test_another_file_is_refused_and_nothing_is_left(tiny, tmp_path):
    (tmp_path / "mine.bin").write_bytes(b"others")
    with pytest.raises(UserError, match=r"mine\.bin is not the file of the card: its SHA-256 is"):
        weight_cards.fetch(tiny, [str(tmp_path / "mine.bin")])
    assert not any((tmp_path / "weights").iterdir())
    with pytest.raises(UserError, match=r"There is no file none\.bin"):
        weight_cards.fetch(tiny, ["none.bin"])
    with pytest.raises(UserError, match=r"give --from once"):
        weight_cards.fetch(tiny, ["a", "b"])


def test_a_missing_or_changed_file_is_named(tiny, tmp_path):
    with pytest.raises(UserError, match=r"weights/tiny\.pth is missing: .* fetch tiny"):
        weight_cards.verify(tiny)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "tiny.pth").write_bytes(b"others")
    for use in (weight_cards.verify, lambda published: weight_cards.fetch(published, [])):
        with pytest.raises(UserError, match=r"weights/tiny\.pth is not the file of the card"):
            use(tiny)


def test_terms_state_licence_and_network(tiny):
    text = weight_cards.terms(tiny)
    assert "licence: for research" in text and "network: method aodnet" in text


def test_a_fault_in_a_card_is_named(tiny, tmp_path):
    again = (tmp_path / "cards" / "tiny.yaml").read_text()
    (tmp_path / "cards" / "again.yaml").write_text(again)
    with pytest.raises(UserError, match=r"tiny\.yaml.*files\.tiny: another card has this name"):
        weight_cards.published_files()
    (tmp_path / "cards" / "again.yaml").write_text("title: 3\n")
    with pytest.raises(UserError, match=r"again\.yaml"):
        weight_cards.published_files()
