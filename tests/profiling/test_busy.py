"""A training step beside a busy process."""

from benchmark.profiling import busy


def test_the_neighbour_works_in_every_other_call_and_ends(monkeypatch):
    states, processes = [], []
    neighbour = busy._neighbour

    class Watched:
        def __init__(self, process):
            self.process = process

        def send_signal(self, number):
            states.append(number.name)
            self.process.send_signal(number)

    @busy.contextlib.contextmanager
    def watched():
        with neighbour() as process:
            processes.append(process)
            yield Watched(process)

    seconds = iter([1.0, 3.0, 2.0, 4.0, 1.0, 9.0])
    monkeypatch.setattr(busy, "_neighbour", watched)
    monkeypatch.setattr(busy, "seconds_of", lambda run, machine: next(seconds))
    assert busy.busy_slowdown(lambda: None, 3) == 4.0
    assert states == ["SIGSTOP", "SIGCONT"] * 3
    assert processes[0].returncode is not None
