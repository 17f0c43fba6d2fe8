"""Training is a function of its seed; killed and resumed, it ends with the same weights."""

import errno
import os
import resource
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmark.core import paths, weights
from benchmark.core.errors import UserError, WeightsMissing
from benchmark.core.image_io import write_png
from benchmark.spec import registry
from benchmark.spec.training_settings import Training
from benchmark.training import loop
from benchmark.training.state import TrainingState, checkpoint_path
from benchmark.weather import WEATHERS
from tests.forks import forked
from tests.preloaded import python

STAGES = ({"share": 0.5, "batch": 2, "crop": 16}, {"share": 0.5, "batch": 1, "crop": 24})
SETTINGS = Training(
    steps=6, stages=STAGES, warmup=2, workers=0, log_steps=1, checkpoint_seconds=1e-9
)


class Killed(BaseException):
    """Stands for a kill: nothing in the code may catch it."""


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(2):
        write_png(tmp_path / f"{i}.png", rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    return sorted(tmp_path.glob("*.png"))


def make(name="conditional_diffusion", width=8):
    kind = registry.load(name)
    torch.manual_seed(0)
    return kind(kind.Parameters(network={"width": width, "multipliers": (1, 2), "blocks": 1}))


def run(photos, folder, settings=SETTINGS, seed=0, name="conditional_diffusion"):
    facts = loop.train(make(name), photos, settings, seed, folder)
    return facts, load_file(folder / "weights.safetensors")


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_stages_take_their_shares_of_the_steps_and_all_of_them():
    shares = [stage.model_copy(update={"share": 1 / 3}) for stage in SETTINGS.stages * 2][:3]
    settings = SETTINGS.model_copy(update={"steps": 100, "stages": tuple(shares)})
    assert [steps for _, *steps in settings.stage_steps()] == [[0, 33], [33, 67], [67, 100]]


def test_no_pair_is_seen_twice(photos, tmp_path, monkeypatch):
    """Also if a later stage has the same crop and a smaller batch; and a resumed training sees the
    same pairs."""
    stages = ({"share": 0.5, "batch": 4, "crop": 16}, {"share": 0.5, "batch": 1, "crop": 16})
    update = {"stages": Training(stages=stages).stages, "precision": "no"}
    settings = SETTINGS.model_copy(update=update)
    seen, crops = [], loop.crops.crops

    def spy(source, crop, seed, first, count, *more):
        seen.append((crop, range(first, first + count)))
        return crops(source, crop, seed, first, count, *more)

    monkeypatch.setattr(loop.crops, "crops", spy)
    accelerator = loop._accelerator(settings, tmp_path)

    def indices(step):
        seen.clear()
        batches = loop._batches(photos, settings, 0, step, accelerator, ("rain",))
        sizes = [len(clean) for clean, _ in batches]
        return sizes, [index for _, places in seen for index in places]

    sizes, pairs = indices(0)
    assert sizes == [4, 4, 4, 1, 1, 1] and len({*pairs}) == len(pairs) == 15
    for step in (1, 3, 5):
        assert indices(step) == (sizes[step:], pairs[sum(sizes[:step]) :])


def test_batches_have_the_size_of_their_stage(photos, tmp_path, monkeypatch):
    seen = []
    loss = registry.load("regression").loss

    def spy(self, clean, degraded, generator):
        seen.append(tuple(clean.shape))
        return loss(self, clean, degraded, generator)

    monkeypatch.setattr(registry.load("regression"), "loss", spy)
    run(photos, tmp_path / "run", name="regression")
    assert seen == [(2, 3, 16, 16)] * 3 + [(1, 3, 24, 24)] * 3


def test_same_seed_same_weights_other_seed_other_weights(photos, tmp_path):
    facts, first = run(photos, tmp_path / "1")
    assert facts["steps"] == 6
    assert same(first, run(photos, tmp_path / "2")[1])
    assert not same(first, run(photos, tmp_path / "3", seed=1)[1])
    curve = (tmp_path / "1" / "curve.csv").read_text().splitlines()
    assert curve[0] == "step,loss,learning_rate,seconds"
    assert len(curve) == 7
    assert not [*(tmp_path / "1").glob("checkpoint*")]


def test_a_full_disk_is_one_error_and_no_traceback_of_a_thread(photos, tmp_path):
    """TensorBoard's thread meets it too."""
    told, ours = os.pipe()

    def work():
        sys.stderr = os.fdopen(ours, "w", buffering=1)  # a pipe has no limit on its size
        threading.excepthook = threading.__excepthook__  # pytest has its own
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        with pytest.raises(OSError, match="File too large"):
            run(photos, tmp_path / "run")
        for thread in set(threading.enumerate()) - {threading.current_thread()}:
            thread.join(5)

    process = forked(work)
    os.close(ours)
    with os.fdopen(told) as text:
        assert "Traceback" not in text.read()
    assert process.wait() == 0


def test_other_errors_of_threads_are_reported_once(monkeypatch):
    reported = []
    monkeypatch.setattr(threading, "excepthook", lambda about: reported.append(about.exc_value))
    loop._leave_disk_faults_to_the_writer()
    loop._leave_disk_faults_to_the_writer()
    errors = [OSError(errno.ENOSPC, "full"), OSError(errno.ENOENT, "missing"), ValueError("other")]
    for error in errors:
        thread = threading.Thread(target=_raise, args=[error])
        thread.start()
        thread.join()
    assert reported == errors[1:]


def _raise(error):
    raise error


def test_loader_workers_do_not_change_the_weights(photos, tmp_path):
    settings = SETTINGS.model_copy(update={"workers": 2})
    assert same(run(photos, tmp_path / "0")[1], run(photos, tmp_path / "2", settings)[1])


@pytest.mark.parametrize("killed_at", [1, 4, 6])
def test_killed_and_resumed_ends_with_the_same_weights(photos, tmp_path, killed_at):
    method, calls = make(), []
    loss = method.loss

    def dying(*arguments):
        calls.append(1)
        if len(calls) == killed_at:
            raise Killed
        return loss(*arguments)

    method.loss = dying
    with pytest.raises(Killed):
        loop.train(method, photos, SETTINGS, 0, tmp_path / "killed")
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    resumed = run(photos, tmp_path / "killed")[1]
    assert same(resumed, run(photos, tmp_path / "whole")[1])
    steps = [line.split(",")[0] for line in (tmp_path / "killed/curve.csv").read_text().split()]
    assert steps == ["step", "1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("checkpoint", ["damaged", "other settings", "no identity"])
def test_a_damaged_or_other_checkpoint_is_not_used(photos, tmp_path, checkpoint):
    folder = tmp_path / "run"
    folder.mkdir()
    file = checkpoint_path(folder, loop.own_identity(SETTINGS, 0, WEATHERS))
    if checkpoint == "damaged":
        file.write_bytes(b"PK half a file")
    elif checkpoint == "no identity":
        torch.save({"identity": torch.zeros(2), "step": 5}, file)
    else:
        torch.save({"identity": {"seed": 9}, "step": 5}, file)
    assert same(run(photos, folder)[1], run(photos, tmp_path / "whole")[1])


def killed():
    raise Killed


@pytest.fixture
def interrupted(photos, tmp_path, monkeypatch):
    """The folder of a training that was killed after it saved the checkpoint of step 2."""
    folder, save = tmp_path / "run", TrainingState.save

    def stop(self, path):
        save(self, path)
        if self.step == 2:
            raise Killed

    with monkeypatch.context() as changed, pytest.raises(Killed):
        changed.setattr(TrainingState, "save", stop)
        run(photos, folder)
    return folder


def test_a_damaged_number_in_a_checkpoint_is_noticed(photos, interrupted, tmp_path):
    (file,) = interrupted.glob("checkpoint-*.pt")
    data = bytearray(file.read_bytes())
    weights = torch.load(file, weights_only=True)["network"].values()
    matrix = next(value for value in weights if value.ndim > 1).numpy()
    data[data.index(matrix.tobytes())] ^= 1
    file.write_bytes(data)
    assert same(run(photos, interrupted)[1], run(photos, tmp_path / "whole")[1])


def test_a_checkpoint_of_other_settings_is_kept_aside(photos, interrupted, tmp_path, capsys):
    """The training with the other settings starts at step 0. The first one can still go on."""
    (file,) = interrupted.glob("checkpoint-*.pt")
    longer = SETTINGS.model_copy(update={"steps": 7, "checkpoint_seconds": 1e9})
    method = make()
    method.loss = lambda *batch: killed()
    with pytest.raises(Killed):
        loop.train(method, photos, longer, 0, interrupted)
    said = capsys.readouterr().out
    assert "settings.steps: 6 → 7" in said and f"{file} is of another training" in said
    assert torch.load(file, weights_only=True)["step"] == 2
    assert same(run(photos, interrupted)[1], run(photos, tmp_path / "whole")[1])
    assert not [*interrupted.glob("checkpoint*")]


@pytest.mark.parametrize("change", ["another width", "no optimizer", "no curve"])
def test_a_checkpoint_of_another_network_is_not_used(photos, interrupted, tmp_path, change):
    (file,), width = interrupted.glob("checkpoint-*.pt"), 8
    if change == "another width":
        width = 16
    else:
        state = torch.load(file, weights_only=True)
        torch.save(state | {change.removeprefix("no "): []}, file)
    for folder in (interrupted, tmp_path / "whole"):
        loop.train(make(width=width), photos, SETTINGS, 0, folder)
    both = [load_file(f / "weights.safetensors") for f in (interrupted, tmp_path / "whole")]
    assert same(*both)


def test_a_loss_that_is_not_finite_stops_training(photos, tmp_path):
    method = make("regression")
    method.loss = lambda clean, degraded, generator: method.network(clean).sum() * float("nan")
    settings = SETTINGS.model_copy(update={"log_steps": 4})
    with pytest.raises(FloatingPointError, match="step 1"):
        loop.train(method, photos, settings, 0, tmp_path / "run")


def test_weights_that_are_not_finite_are_not_written(photos, tmp_path, monkeypatch):
    """The last step's loss is taken before its update."""
    save = loop.MovingAverage.update

    def spoil(self, network):
        save(self, network)
        self.module.leave.weight.mul_(float("nan"))

    monkeypatch.setattr(loop.MovingAverage, "update", spoil)
    with pytest.raises(FloatingPointError, match="weight"):
        run(photos, tmp_path, name="regression")
    assert not (tmp_path / "weights.safetensors").exists()


def test_no_photos(tmp_path):
    with pytest.raises(UserError, match="dvc pull"):
        loop.train(make("regression"), [], SETTINGS, 0, tmp_path / "run")


def test_a_row_of_the_curve_is_the_mean_since_the_row_before(photos, tmp_path):
    rows = {}
    for log_steps in (1, 4):
        settings = SETTINGS.model_copy(update={"log_steps": log_steps})
        run(photos, tmp_path / str(log_steps), settings, name="regression")
        curve = np.genfromtxt(tmp_path / str(log_steps) / "curve.csv", delimiter=",", names=True)
        rows[log_steps] = dict(zip(curve["step"], curve["loss"], strict=True))
    each = [rows[1][step] for step in range(1, 7)]
    assert [*rows[4]] == [4, 6]
    assert [*rows[4].values()] == pytest.approx([np.mean(each[:4]), np.mean(each[4:])])


@pytest.mark.parametrize("log_steps", [1, 5])
def test_losses_are_read_from_the_device_only_for_the_curve(
    photos, tmp_path, monkeypatch, log_steps
):
    """A read makes the host wait for a GPU."""
    reads = []
    for name in ("item", "tolist", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)

        def read(self, *arguments, original=original):
            reads.append(self.shape)
            return original(self, *arguments)

        monkeypatch.setattr(torch.Tensor, name, read)
    update = {"log_steps": log_steps, "checkpoint_seconds": 60, "precision": "no"}
    settings = SETTINGS.model_copy(update=update)
    trainer = loop._Trainer(make(), settings, 0, tmp_path, {})
    reads.clear()
    trainer.run(photos, ("rain",))
    means = [1, 1, 1, 1, 1, 1] if log_steps == 1 else [5, 1]
    assert [*filter(None, reads)] == [torch.Size([count]) for count in means]
    assert reads.count(torch.Size([])) == len(settings.stages)  # each loader's seed, on the CPU


CONSTANT = Training(
    steps=6, schedule="constant", decay_steps=2, warmup=1, workers=0, log_steps=4,
    stages=({"steps": 3, "batch": 2, "crop": 16}, {"batch": 1, "crop": 24}),
)  # fmt: skip


def losses_seen(monkeypatch):
    """How often the regression's loss is computed, as a list that grows."""
    calls, loss = [], registry.load("regression").loss

    def counted(self, *arguments):
        calls.append(1)
        return loss(self, *arguments)

    monkeypatch.setattr(registry.load("regression"), "loss", counted)
    return calls


def test_a_constant_training_goes_on_to_more_steps(photos, tmp_path, monkeypatch):
    """It starts from the state before its decay, and ends as a training of that length."""
    longer = CONSTANT.model_copy(update={"steps": 9, "decay_steps": 3})
    whole = run(photos, tmp_path / "whole", longer, name="regression")[1]
    short = run(photos, tmp_path / "run", CONSTANT, name="regression")[1]
    calls = losses_seen(monkeypatch)
    assert same(whole, run(photos, tmp_path / "run", longer, name="regression")[1])
    assert len(calls) == 9 - 4
    calls.clear()  # the state that is kept now lies in the decay of the first training
    assert same(short, run(photos, tmp_path / "run", CONSTANT, name="regression")[1])
    assert len(calls) == 6


@pytest.mark.parametrize("change", ["learning_rate", "cosine", "damaged"])
def test_another_training_does_not_start_from_a_kept_state(photos, tmp_path, monkeypatch, change):
    run(photos, tmp_path, CONSTANT, name="regression")
    (kept,) = tmp_path.glob("kept-*.pt")
    settings = CONSTANT.model_copy(update={"steps": 7})
    if change == "learning_rate":
        settings = settings.model_copy(update={"learning_rate": 1e-3})
    elif change == "cosine":
        settings = SETTINGS.model_copy(update={"steps": 7})
    else:
        kept.write_bytes(kept.read_bytes()[:-100])
    calls = losses_seen(monkeypatch)
    run(photos, tmp_path, settings, name="regression")
    assert len(calls) == 7


def test_automatic_precision_is_that_of_the_device(monkeypatch):
    machine = torch.device("cpu")
    for native, precision in ((True, "bf16"), (False, "no")):
        monkeypatch.setattr(loop, "native_bf16", lambda device, native=native: native)
        assert loop.resolve(Training(), machine).precision == precision
    chosen = Training(precision="fp16")
    assert loop.resolve(chosen, machine) == chosen


def test_a_training_says_what_was_chosen_for_the_machine(photos, tmp_path):
    settings = SETTINGS.model_copy(update={"steps": 1, "precision": "no", "threads": 1})
    facts, _ = run(photos, tmp_path, settings, name="regression")
    iteration = facts["resolved"].pop("newton_schulz")
    assert iteration in ("float32", "bfloat16")
    assert facts["resolved"] == {"precision": "no", "threads": 1, "processes": 1}


def test_a_batch_that_has_no_equal_shares_is_refused(photos, tmp_path):
    stages = (SETTINGS.stages[0].model_copy(update={"batch": 3}),)
    settings = SETTINGS.model_copy(update={"stages": stages, "accumulate": 2})
    with pytest.raises(UserError, match=r"batch: 3 pairs .* accumulate: 2"):
        run(photos, tmp_path, settings)


def test_weights_round_trip_and_widen_half_precision(tmp_path):
    network = make("regression").network
    weights.save(network, tmp_path / "w.safetensors")
    other = make("regression").network
    torch.nn.init.ones_(other.leave.weight)
    weights.load(other, tmp_path / "w.safetensors")
    assert same(network.state_dict(), other.state_dict())
    weights.save(network.half(), tmp_path / "h.safetensors")
    weights.load(other, tmp_path / "h.safetensors")
    assert other.leave.weight.dtype == torch.float32


def test_weights_of_another_model_are_refused_by_name(tmp_path):
    path = tmp_path / "w.safetensors"
    weights.save(make("regression").network, path)
    with pytest.raises(
        UserError, match=r"w\.safetensors is of another model.*it has enter\.weight"
    ):
        weights.load(make("conditional_diffusion").network, path)
    with pytest.raises(UserError, match="of shape"):
        weights.load(make("regression", width=16).network, path)
    path.write_bytes(b"{}")
    with pytest.raises(UserError, match="not a whole safetensors file"):
        weights.load(make("regression").network, path)
    with pytest.raises(WeightsMissing, match="is missing"):
        weights.load(make("regression").network, tmp_path / "none.safetensors")


def test_gradient_accumulation_gives_the_gradient_of_the_whole_batch(photos, tmp_path):
    """For a regression: its loss is a mean over images."""
    stage = ({"share": 1, "batch": 4, "crop": 16},)
    # In float32 on every machine: `auto` is bf16 where the processor has it.
    whole = Training(steps=4, stages=stage, warmup=1, workers=0, precision="no")
    parts = whole.model_copy(update={"accumulate": 2})
    first = run(photos, tmp_path / "whole", whole, name="regression")[1]
    second = run(photos, tmp_path / "parts", parts, name="regression")[1]
    assert all(torch.allclose(first[k], second[k], atol=2e-3) for k in first)
    start = make("regression").network.state_dict()
    assert any(not torch.allclose(start[k], first[k], atol=2e-3) for k in first)


def test_compiled_training_ends_as_eager_training(photos, tmp_path, monkeypatch):
    """Of two layers, and without code for them, which takes a C++ compiler ten seconds:
    tests.campaigns.workflows makes it, and `python -m tests.campaigns.twice --compile` compiles the
    networks."""
    plugin = loop.TorchDynamoPlugin
    monkeypatch.setattr(loop, "TorchDynamoPlugin", lambda _, **rest: plugin("eager", **rest))
    compiled_ends_as_eager(photos, tmp_path)


def compiled_ends_as_eager(photos, folder):
    """Train two layers with and without `compile`; the weights must be equal."""

    class TwoLayers(registry.load("regression")):
        def build(self):
            first, last = (torch.nn.Conv2d(*size, 3, padding=1) for size in ((3, 8), (8, 3)))
            return torch.nn.Sequential(first, torch.nn.GroupNorm(2, 8), torch.nn.SiLU(), last)

    def trained(settings):
        torch.manual_seed(0)
        out = folder / f"compile {settings.compile}"
        loop.train(TwoLayers(TwoLayers.Parameters()), photos, settings, 0, out)
        return load_file(out / "weights.safetensors")

    eager = SETTINGS.model_copy(update={"steps": 4})
    first = trained(eager)
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    second = trained(eager.model_copy(update={"compile": True}))
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before
    assert all(torch.allclose(first[k], second[k], atol=2e-3) for k in first)


def test_curves_are_written_for_tensorboard(photos, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(photos, tmp_path / "run")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    losses = [event.value for event in events.Scalars("loss")]
    curve = (tmp_path / "run" / "curve.csv").read_text().splitlines()[1:]
    assert losses == pytest.approx([float(line.split(",")[1]) for line in curve], rel=1e-6)


def train_in_two_processes(name, settings, folder):
    """Launched on the CPU as on several GPUs; writes the weights to `folder`/two."""
    script = folder / "train.py"
    script.write_text(
        "import sys; from pathlib import Path\n"
        "from benchmark.training import loop\n"
        "from benchmark.spec.training_settings import Training\n"
        "from tests.training.test_loop import make\n"
        "photos = sorted(Path(sys.argv[1]).glob('*.png'))\n"
        "settings = Training.model_validate_json(sys.argv[2])\n"
        "loop.train(make(sys.argv[3]), photos, settings, 0, Path(sys.argv[1], 'two'))\n"
    )
    launcher = ("-m", "torch.distributed.run", "--nproc_per_node", "2")
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    command = [python(), *launcher, script, folder, settings.model_dump_json(), name]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_two_processes_train_as_one(photos, tmp_path):
    """On the CPU, launched as on several GPUs: each process has half of the batch.

    The curve of both has the mean loss over the whole batch.
    """

    def settings(batch):
        stage = ({"share": 1, "batch": batch, "crop": 16},)
        return Training(
            steps=3, stages=stage, warmup=1, workers=0, log_steps=1, precision="no"
        )  # in float32 on every machine

    def losses(folder):
        return np.genfromtxt(folder / "curve.csv", delimiter=",", names=True)["loss"]

    train_in_two_processes("regression", settings(4), tmp_path)
    two = load_file(tmp_path / "two" / "weights.safetensors")
    one = run(photos, tmp_path / "one", settings(4), name="regression")[1]
    half = run(photos, tmp_path / "half", settings(2), name="regression")[1]
    assert all(torch.allclose(two[k], one[k], atol=2e-3) for k in one)
    assert not all(torch.allclose(two[k], half[k], atol=2e-3) for k in one)
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)


def test_processes_may_evaluate_the_network_a_different_number_of_times(photos, tmp_path):
    """A quarter of two pairs is none in one process, and one in another, which then evaluates the
    network twice more."""
    stage = ({"share": 1, "batch": 4, "crop": 16},)
    settings = Training(steps=4, stages=stage, warmup=1, workers=0, log_steps=1, precision="no")
    train_in_two_processes("shortcut", settings, tmp_path)
    weights = load_file(tmp_path / "two" / "weights.safetensors")
    assert all(value.isfinite().all() for value in weights.values())


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("shortcut", {}), ("conditional_diffusion", {"own_estimates": 0.5})],
)
def test_every_weight_has_a_gradient_if_the_network_makes_targets_itself(
    tmp_path, name, parameters
):
    """In bf16: a weight that was cast without gradients must not be used with them."""
    kind = registry.load(name)
    network = {"width": 8, "multipliers": (1, 2), "blocks": 1}
    method = kind(kind.Parameters(network=network, **parameters))
    for parameter in method.network.parameters():  # zeros would stop the gradient
        torch.nn.init.normal_(parameter, std=0.1)
    settings = SETTINGS.model_copy(update={"precision": "bf16"})
    accelerator = loop._accelerator(settings, tmp_path)
    method.network = accelerator.prepare(method.network)
    clean, degraded = torch.rand(2, 4, 3, 16, 16).unbind()
    with accelerator.autocast():
        loss = method.loss(clean, degraded, torch.Generator().manual_seed(0))
    accelerator.backward(loss)
    without = [n for n, p in method.network.named_parameters() if p.grad is None]
    assert without == []
