"""config/profile.yaml: what it measures, and that every fault in such a file is named."""

import pytest
import yaml

from benchmark.cli.tools import PROFILE
from benchmark.core.errors import UserError
from benchmark.core.paths import ROOT
from benchmark.profiling import settings
from benchmark.spec import run_config
from methods.networks.denoisers import DENOISERS

NETWORK = {"method": "conditional_diffusion"}
GOOD = {
    "denoisers": {"unet": NETWORK},
    "simulation": NETWORK,
    "memory": NETWORK,
    "loaders": NETWORK,
    "scoring_images": 3,
    "comparisons": {"steps": {**NETWORK, "variant": {}, "against": {"steps": 4}, "images": 2}},
}


def load(folder, **changes):
    file = folder / "profile.yaml"
    file.write_text(yaml.safe_dump({**GOOD, **changes}))
    return settings.load(file)


def test_the_shipped_file_measures_every_denoiser_and_the_published_sampler():
    profile = settings.load(ROOT / PROFILE)
    assert profile.denoisers.keys() == DENOISERS.keys()
    for name, network in profile.denoisers.items():
        assert network.parameters == {"denoiser": name}
    sampler, default = (
        profile.comparisons[name] for name in ("published_sampler", "published_default")
    )
    patches = {"patch": 64, "stride": 16, "tile_batch": 16}
    assert sampler.variant == {"sampler": "ddim", "steps": 4}
    assert sampler.against == {**sampler.variant, **patches}
    assert default.variant == {"sampler": "ddim", "steps": 1}
    assert default.against == {"sampler": "ddim", "steps": 25, "spacing": "published", **patches}


def test_a_good_file_is_read(tmp_path):
    assert load(tmp_path).comparisons["steps"].against == {"steps": 4}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"memories": NETWORK}, "unknown key 'memories'. Did you mean 'memory'"),
        ({"memory": {"method": "conditional_difusion"}}, "memory: There is no method"),
        ({"simulation": {"method": "dark_channel"}}, "simulation: 'dark_channel' does not learn"),
        (
            {"denoisers": {"a": {**NETWORK, "parameters": {"width": 3}}}},
            r"denoisers\.a\.parameters: unknown key 'width'",
        ),
        ({"scoring_images": 0}, "scoring_images"),
        ({"comparisons": {"denoisers": GOOD["comparisons"]["steps"]}}, "another figure"),
        (
            {"comparisons": {"x": {**NETWORK, "against": {"step": 4}, "images": 1}}},
            r"comparisons\.x\.against: unknown key 'step'. Did you mean 'steps'",
        ),
        (
            {"comparisons": {"x": {"method": "no", "against": {}, "images": 1}}},
            r"comparisons\.x: There is no method 'no'",
        ),
    ],
)
def test_faults_are_named_with_file_and_key(tmp_path, changes, says):
    with pytest.raises(UserError, match=rf"profile\.yaml: .*{says}"):
        load(tmp_path, **changes)


def test_an_unknown_denoiser_is_refused_with_a_list_of_all(tmp_path):
    with pytest.raises(UserError) as refused:
        load(tmp_path, loaders={**NETWORK, "parameters": {"denoiser": "unett"}})
    assert all(name in str(refused.value) for name in DENOISERS)


def test_an_entry_of_a_run_names_its_network():
    entries = {"mine": {"method": "regression", "parameters": {"denoiser": "nafnet"}}, "oracle": {}}
    values = {"name": "x", "train_on": "photos", "datasets": {"photos": {}}, "methods": entries}
    run = run_config.Config(**values)
    network = settings.network_of(run, "mine", "run.yaml")
    assert (network.method, network.parameters) == ("regression", {"denoiser": "nafnet"})
    with pytest.raises(UserError, match="No method entry 'main'"):
        settings.network_of(run, "main", "run.yaml")
    with pytest.raises(UserError, match=r"run\.yaml: methods\.oracle: 'oracle' does not learn"):
        settings.network_of(run, "oracle", "run.yaml")
