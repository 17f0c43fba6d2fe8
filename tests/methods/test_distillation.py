"""Consistency distillation: its loss, its sampler, and the teacher named in a configuration."""

import pytest
import torch
import yaml

from benchmark.core.errors import UserError
from benchmark.results.layout import RunFolder
from benchmark.spec import config_checks, config_reader, registry
from tests import run_jobs
from tests.methods.test_contract import SMALL


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def pair(count=4):
    return torch.rand(2, count, 3, 16, 16, generator=generator(1)).unbind()


class Network(torch.nn.Module):
    """Predicts the condition plus `correction + slope t`."""

    def __init__(self, correction=0.1, slope=0.0):
        super().__init__()
        self.correction = torch.nn.Parameter(torch.tensor(correction))
        self.slope = torch.nn.Parameter(torch.tensor(slope))

    def forward(self, x, t):
        return torch.zeros_like(x[:, :3]) + self.correction + self.slope * t.view(-1, 1, 1, 1)


def student_of(network, times=4):
    teacher = registry.load("conditional_diffusion")()
    teacher.network = network
    student = registry.load("consistency_distillation")
    student = student(student.Parameters(times=times))
    student.network = Network()
    student.learn_from(teacher)
    return student


def test_student_starts_as_its_teacher_and_does_not_change_it():
    teacher = Network(0.3)
    student = student_of(teacher)
    assert student.network.correction == teacher.correction
    student.network.correction.data += 1
    assert teacher.correction == pytest.approx(0.3)
    assert not teacher.correction.requires_grad


def test_loss_is_zero_if_the_estimate_is_the_same_at_all_times():
    """The path of such a teacher ends in one point; its own weights make a perfect student."""
    clean, degraded = (0.4 + 0.1 * image for image in pair())
    assert student_of(Network(0.1)).loss(clean, degraded, generator()) < 1e-6


def test_an_estimate_outside_the_range_still_learns():
    """Where the student is far above 1, a limit would leave it without a gradient."""
    student = student_of(Network(0.1))
    student.network.correction.data += 5
    clean, degraded = pair()
    student.loss(clean, degraded, generator()).backward()
    assert student.network.correction.grad > 0


def test_student_learns_the_end_of_the_teachers_path():
    """A teacher with another estimate at each time; its path ends with the last one."""
    clean, degraded = (0.4 + 0.1 * image for image in pair(16))
    student = student_of(Network(0.1, slope=0.2), times=2)
    optimizer = torch.optim.Adam(student.network.parameters(), lr=0.01)
    for step in range(200):
        optimizer.zero_grad()
        student.loss(clean, degraded, generator(step)).backward()
        optimizer.step()
    last = 0.1 + 0.2 * 0.5  # at t = T / 2
    for t in (0.5, 1.0):
        answer = student.network.correction + student.network.slope * t
        assert answer.item() == pytest.approx(last, abs=0.01)


def test_samplers_first_step_is_the_teachers_path():
    """The step of equation (13), as in the suite's DDIM."""
    from methods.diffusion.samplers import ddim

    student = student_of(Network(0.1, slope=0.2))
    x_t, x0 = torch.randn(1, 3, 4, 4, generator=generator()), torch.zeros(1, 3, 4, 4)
    step = student._ddim_step(x0, x_t, torch.tensor([800]), torch.tensor([300]))
    seen = []

    def denoise(x, t):
        seen.append(x)
        return x0

    ddim(denoise, x_t, student.schedule, [800, 300], None)
    assert torch.allclose(step, seen[1], atol=1e-5)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_each_step_is_one_evaluation(steps):
    student = student_of(Network())
    times = []
    student.network.register_forward_hook(lambda m, inputs, out: times.append(inputs[1][0].item()))
    variant = student.Variant(steps=steps)
    student.restore(torch.rand(1, 3, 8, 8), variant, [generator()])
    assert len(times) == steps == student.evaluations(variant)
    assert times == sorted(times, reverse=True)
    assert times[0] == 1.0


def test_no_teacher_or_one_with_other_parameters_is_refused():
    kind = registry.load("consistency_distillation")
    with pytest.raises(UserError, match="set 'teacher'"):
        kind(kind.Parameters(**SMALL)).loss(*pair(), generator())
    for teacher in (registry.load("regression")(), registry.load("conditional_diffusion")()):
        with pytest.raises(UserError, match="same parameters"):
            kind(kind.Parameters(**SMALL)).learn_from(teacher)


def run_of(tmp_path, **changes):
    entry = {"parameters": SMALL}
    student = {"method": "consistency_distillation", "teacher": "teacher", **entry}
    values = {
        "name": "tiny",
        "train_on": "photos",
        "datasets": {"photos": {"split": "val"}},
        "training": {"steps": 1, "stages": [{"share": 1, "batch": 1, "crop": 16}], "workers": 0},
        "methods": {"teacher": {"method": "conditional_diffusion", **entry}, "student": student},
        "discover": False,
    }
    values["methods"]["student"].update(changes)
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(values))
    return config_reader.load(path), RunFolder(tmp_path / "results")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher": "teachr"}, "methods.student.teacher: .*Did you mean 'teacher'"),
        ({"teacher": "student"}, "must be an entry that learns"),
        ({"seeds": [3]}, "'teacher' is not trained with seed 3"),
    ],
)
def test_a_wrong_teacher_is_named(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        run_of(tmp_path, **changes)


@pytest.mark.parametrize("method", ["regression", "identity"])
def test_a_teacher_of_a_method_that_learns_from_none_is_named(tmp_path, method):
    config, _ = run_of(tmp_path, method=method, parameters={})
    with pytest.raises(UserError, match=f"methods.student.teacher: '{method}' takes no teacher"):
        config_checks.check_methods(config, "run.yaml")


def test_a_run_trains_teacher_and_student(tmp_path):
    config, run = run_of(tmp_path)
    assert run_jobs.train(config, run, "teacher", 0)["status"] == "ok"
    assert run_jobs.train(config, run, "student", 0)["status"] == "ok"
    assert (run.training("student", 0) / "weights.safetensors").exists()


def test_a_teacher_that_failed_is_the_students_reason(tmp_path):
    config, run = run_of(tmp_path)
    run_jobs.fail_training(run, "teacher", 0, "training: it broke")
    result = run_jobs.train(config, run, "student", 0)
    assert result["status"] == "failed"
    assert "teacher 'teacher' was not trained: training: it broke" in result["reason"]


@pytest.mark.parametrize(
    ("steps", "warned"), [(1, None), (2, None), (4, None), (3, "(333, 667)"), (2000, "not 2000")]
)
def test_steps_at_times_that_the_student_does_not_learn_are_warned_of(steps, warned):
    student = registry.load("consistency_distillation")
    found = student.variant_warnings(student.Parameters(times=4), student.Variant(steps=steps))
    assert len(found) == (warned is not None)
    assert all(warned in text for text in found)
