"""Every error in a configuration names the file, the key and the nearest known name."""

import pytest
import yaml

from benchmark.core import paths
from benchmark.core.errors import UserError
from benchmark.spec import config_checks, config_reader, registry
from benchmark.spec.method import ALL_WEATHERS

NO_RUNS = {"published", "profile"}  # numbers from papers; settings of `profile`
SHIPPED = sorted({path.stem for path in (paths.ROOT / "config").glob("*.yaml")} - NO_RUNS)
GOOD = {
    "name": "tiny",
    "train_on": "photos",
    "datasets": {"photos": {"split": "val"}},
    "methods": {"identity": None, "regression": {"training": {"steps": 3}}},
    "discover": False,
}


@pytest.fixture
def write(tmp_path):
    def write(values):
        path = tmp_path / "run.yaml"
        path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    return write


def changed(**values):
    return {**GOOD, **values}


def test_a_valid_configuration_gets_its_defaults(write):
    config = config_reader.load(write(GOOD))
    assert config.variants_of("identity") == {"default": {}}
    assert config.training_of("regression").steps == 3
    assert config.training_of("identity") == config.training
    assert config.seeds_of("regression") == (0,)


def test_each_unknown_key_is_named_with_its_place_and_beside_other_faults(write):
    with pytest.raises(UserError, match=r"'metods'.*'methods'(.|\n)*'sedes'.*'seeds'"):
        config_reader.load(write(changed(metods={}, sedes=[1])))
    path = write(changed(datasets={"photos": {"splt": "val", "limt": 3}}, seeds="many"))
    with pytest.raises(UserError) as refused:
        config_reader.load(path)
    keys = [line.split(": ")[1] for line in str(refused.value).splitlines()]
    assert keys == ["seeds", "datasets.photos", "datasets.photos"]


def test_without_train_on_the_bundled_photographs_are_trained_on(write):
    values = {key: value for key, value in GOOD.items() if key != "train_on"}
    assert config_reader.load(write(values)).train_on == "photos"


def test_precision_no_is_accepted_although_yaml_reads_it_as_false(tmp_path):
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(GOOD) + "training: {precision: no}\n")
    assert config_reader.load(tmp_path / "run.yaml").training.precision == "no"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_and_their_methods_are_valid(name):
    path = paths.ROOT / "config" / f"{name}.yaml"
    config_checks.check_methods(config_reader.load(path), str(path))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(metods={}), "unknown key 'metods'. Did you mean 'methods'"),
        (changed(methods={"regresion": None}), "no method 'regresion'. Did you mean 'regression'"),
        (changed(methods={"a": {"method": "orakle"}}), "methods.a: .*Did you mean 'oracle'"),
        (
            changed(methods={"regression": {"trainin": {}}}),
            "methods.regression: .*Did you mean 'training'",
        ),
        (
            changed(methods={"regression": {"training": {"step": 3}}}),
            "training: .*Did you mean 'steps'",
        ),
        (changed(methods={"regression": {"training": {"steps": 0}}}), "training: steps: .*greater"),
        (
            changed(methods={"regression": {"training": {"steps": "x"}}}),
            "training: steps: .*integer",
        ),
        (changed(training={"stages": [{"share": 0.5, "batch": 1, "crop": 16}]}), "sum to 1"),
        (changed(training={"stages": []}), "training.stages"),
        (changed(methods=["identity"]), "methods: write each entry as 'name:' without a hyphen"),
        (changed(extend="base.yaml"), "unknown key 'extend'. Did you mean 'extends'?"),
        (changed(methods={"Bad Name": None}), "Bad Name"),
        (changed(methods={"../up": None}), "up"),
        (changed(name="a/b"), "name: 'a/b' cannot be a name: .*Did you mean 'a-b'"),
        (changed(datasets={"Snow100K": {}}), "datasets.Snow100K: .*Did you mean 'snow100k'"),
        (changed(datasets={"photos": {"splt": "val"}}), "datasets.photos: .*Did you mean 'split'"),
        (changed(seeds="many"), "seeds"),
        (changed(leave_out=["orakle"]), "leave_out: .*Did you mean 'oracle'"),
        (changed(training={"accumulate": 3}), "a batch of 16 cannot be cut into 3 equal parts"),
        (
            changed(methods={"regression": {"weathers": ["hail"]}}),
            "methods.regression.weathers.0: Input should be 'rain'",
        ),
        (changed(methods={"regression": {"weathers": []}}), "methods.regression.weathers: "),
        (changed(methods={"identity": {"weights": "x"}}), "methods.identity.weights: .*not learn"),
        (changed(name="reference"), "would be overwritten"),
        (changed(name="a" * 30), "repeats itself"),
        (changed(name="abc" * 21), "repeats itself"),
        (changed(name="long-" + "ab" * 40), "has 85 characters, more than 64"),
        (changed(methods={"long-" + "ab" * 40: {"method": "identity"}}), "more than 64"),
        (changed(methods={"identity": {"variants": {"a" * 65: {}}}}), "more than 64"),
        (changed(seeds=[0, 1, 0]), "seeds: 0 is there twice"),
        (changed(methods={"identity": {"seeds": [3, 3]}}), "methods.identity.seeds: 3 is there"),
        (changed(seeds=[10**22 + 1]), "seeds.0: .*less than or equal to 4294967295"),
        (changed(seeds=[-1]), "seeds.0: .*greater than or equal to 0"),
        (changed(seeds=[]), "seeds: .*at least 1 item"),
        (changed(protocols=["rgb", "rgb"]), "protocols: 'rgb' is there twice"),
        (changed(protocols=[]), "protocols: .*at least 1 item"),
        (changed(datasets={"photos": {"weathers": ["rain", "rain"]}}), "'rain' is there twice"),
        (changed(datasets={"photos": {"weathers": []}}), "weathers: .*at least 1 item"),
        (
            changed(methods={"regression": {"weathers": ["rain", "haze", "rain"]}}),
            "methods.regression.weathers: 'rain' is there twice",
        ),
        (changed(time_limit=float("inf")), "time_limit: .*finite"),
        (changed(training={"learning_rate": float("nan")}), "learning_rate: .*finite"),
        ("name: a\ntrain_on: b\nname: c\n", "the key 'name' is in line 1 and in line 3"),
        ("name: a\nmethods:\n  b: {c: 1, d: 2, c: 3}\n", "the key 'c' is in line 3 and in line 3"),
        ({"name": "x"}, "methods: Field required"),
        ("- a\n- b\n", "must hold keys"),
        ("a: [1\n", "not valid YAML"),
        ("", "must hold keys"),
    ],
)
def test_an_invalid_configuration_is_named(write, values, message):
    with pytest.raises(UserError, match=message) as caught:
        config_reader.load(write(values))
    assert "run.yaml" in str(caught.value)


def test_an_unknown_key_of_a_variant_names_those_of_the_suite_too(write):
    entry = {"variants": {"a": {"sample": 4}}}
    config = config_reader.load(write(changed(methods={"regression": entry})))
    with pytest.raises(UserError, match=r"variants.a: unknown key 'sample'.*Did you mean 'samples"):
        config_checks.check_methods(config, "run.yaml")


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r"none\.yaml is missing; check its name"):
        config_reader.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"parameters": {"netwrok": {}}}, "methods.regression.parameters: .*mean 'network'"),
        ({"parameters": {"network": {"widht": 8}}}, "'widht'. Did you mean 'width'"),
        *(
            ({"parameters": {"network": {key: value}}}, f"parameters: network.{key}: {what}")
            for key, value, what in [
                ("width", 0, "0 is too small"),
                ("width", -8, "-8 is too small"),
                ("width", "big", "Input should be a valid integer"),
                ("width", float("nan"), "Input should be a finite number"),
                ("multipliers", [1, 0], "0 is too small"),
                ("blocks", -1, "-1 is too small"),
                ("blocks", [1], "Input should be a valid integer"),
            ]
        ),
        ({"parameters": {"denoiser": "unett"}}, "methods.regression.parameters: denoiser: "),
        ({"variants": {"a": {"tille": 8}}}, "methods.regression.variants.a: .*Did you mean 'tile'"),
        ({"variants": {"a": {"tile": "big"}}}, "methods.regression.variants.a: tile: "),
    ],
)
def test_methods_own_parameters_are_checked(write, entry, message):
    config = config_reader.load(write(changed(methods={"regression": entry})))
    with pytest.raises(UserError, match=message):
        config_checks.check_methods(config, "run.yaml")


def test_what_a_network_may_be(write):
    network = {"width": 8, "multipliers": [1, 2], "blocks": 0, "attention": False}
    config = config_reader.load(
        write(changed(methods={"regression": {"parameters": {"network": network}}}))
    )
    assert config_checks.check_methods(config, "") == []


def test_a_method_warns_of_variants(write):
    entry = {"parameters": {"training_times": 20}, "variants": {"a": {"steps": 3}}}
    config = config_reader.load(write(changed(methods={"conditional_diffusion": entry})))
    (warning,) = config_checks.check_methods(config, "run.yaml")
    assert warning.startswith(
        "run.yaml: methods.conditional_diffusion.variants.a: samples at times"
    )


def test_a_copy_of_the_reference_configuration_is_read(write, tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    write(changed(name="reference")).rename(folder / "config.yaml")
    assert config_reader.load(folder / "config.yaml").name == "reference"


def test_methods_that_are_not_named_are_discovered(write):
    config = config_reader.load(write(changed(discover=True)))
    assert set(config.methods) == set(registry.available())
    assert list(config.methods)[:2] == ["identity", "regression"]
    fewer = config_reader.load(write(changed(discover=True, leave_out=["oracle"])))
    assert set(config.methods) - set(fewer.methods) == {"oracle"}


@pytest.fixture
def own_methods(tmp_path, monkeypatch):
    """A folder of methods, beside which those of the project are as if of a package."""
    folder = tmp_path / "methods"
    folder.mkdir()
    monkeypatch.setattr(registry, "PACKAGED", [registry.FOLDER])
    monkeypatch.setattr(registry, "FOLDER", folder)
    return folder


def test_a_method_file_does_not_take_the_name_of_another_entry(write, own_methods):
    (own_methods / "mine.py").write_text("")
    values = changed(discover=True, methods={"mine": {"method": "regression"}})
    with pytest.raises(UserError, match=r"methods.mine runs 'regression', and .*mine.py .*Rename"):
        config_reader.load(write(values))
    assert (
        config_reader.load(write({**values, "leave_out": ["mine"]})).method_of("mine")
        == "regression"
    )


def test_a_method_file_whose_name_is_none_of_an_entry_is_named(write, own_methods):
    (own_methods / "MyFilter.py").write_text("")
    with pytest.raises(UserError, match=r"MyFilter.py: .*Did you mean 'myfilter'.*Rename the file"):
        config_reader.load(write(changed(discover=True)))


def test_a_method_file_that_is_no_python_is_named_with_the_line(write, own_methods):
    (own_methods / "broken.py").write_text("x = 1\ny = = 2\n")
    with pytest.raises(UserError, match=r"broken.py, line 2: invalid syntax.*leave_out"):
        config_reader.load(write(changed(discover=True)))
    config_reader.load(write(changed(discover=True, leave_out=["broken"])))
    (own_methods / "broken.py").write_bytes(b"x = '\xe9'\n")
    with pytest.raises(UserError, match=r"broken.py.*: .*utf-8.*leave_out"):
        config_reader.load(write(changed(discover=True)))
    (own_methods / "broken.py").write_bytes("\ufeff# coding: utf-8\n".encode())
    config_reader.load(write(changed(discover=True)))


def test_an_unknown_weather_on_a_methods_card_is_named(write, monkeypatch):
    config = config_reader.load(write(GOOD))
    card = registry.load("identity").card.model_copy(update={"weathers": ("rian",)})
    monkeypatch.setattr(registry.load("identity"), "card", card)
    with pytest.raises(UserError, match=r"identity.py: card.weathers: .*Did you mean 'rain'"):
        config_checks.check_methods(config, "run.yaml")


def test_a_specialist_names_its_weather_and_others_take_all(write):
    entries = {"rain": {"method": "regression", "weathers": ["rain"]}, "regression": None}
    config = config_reader.load(write(changed(methods=entries)))
    assert config.weathers_of("rain") == ("rain",)
    assert config.weathers_of("regression") == ALL_WEATHERS


def test_weights_of_an_entry_are_found_by_its_name_and_seed(write):
    entries = {"regression": None, "mine": {"method": "regression", "weights": "w-{seed}"}}
    values = changed(methods={**entries, "identity": None}, weights="data/{entry}-{seed}.st")
    config = config_reader.load(write(values))
    assert config.weights_of("regression", 2).path == paths.ROOT / "data/regression-2.st"
    assert config.weights_of("mine", 2).path == paths.ROOT / "w-2"
    assert config.weights_of("identity", 2) is None


def test_a_file_that_extends_another_replaces_its_keys(write, tmp_path):
    write(GOOD)
    other = tmp_path / "other.yaml"
    other.write_text("extends: run.yaml\nname: other\nweights: w\n")
    config = config_reader.load(other)
    assert (config.name, config.weights, [*config.methods]) == ("other", "w", [*GOOD["methods"]])


def test_an_entry_without_a_value_is_that_of_the_extended_file(write, tmp_path):
    mine = {"method": "regression", "training": {"steps": 7}}
    write(changed(methods={"identity": None, "mine": mine, "left": mine}))
    other = tmp_path / "other.yaml"
    other.write_text("extends: run.yaml\nname: other\nmethods: {mine: , identity: , oracle: }\n")
    config = config_reader.load(other)
    assert [*config.methods] == ["mine", "identity", "oracle"]
    assert config.method_of("mine") == "regression" and config.training_of("mine").steps == 7
    assert config.method_of("oracle") == "oracle"


@pytest.mark.parametrize(
    ("base", "message"),
    [("other.yaml", "extends this file"), ("none.yaml", r"none\.yaml is missing")],
)
def test_a_base_that_cannot_be_extended_is_named(tmp_path, base, message):
    other = tmp_path / "other.yaml"
    other.write_text(f"extends: {base}\nname: other\n")
    with pytest.raises(UserError, match=message):
        config_reader.load(other)
