def method_of(wildcards):
    return RUN.method_of(wildcards.method)


def settings_of(wildcards, *parts):
    """The part of the configuration that a job depends on; if it changes, the job runs again."""
    entry = RUN.entry(wildcards.method)
    known = {
        "parameters": entry.parameters,
        "weathers": RUN.weathers_of(wildcards.method),
        "weights": str(RUN.weights_of(wildcards.method, wildcards.get("seed"))),
        "training": RUN.training_of(wildcards.method).model_dump(mode="json"),
        "variant": RUN.variants_of(wildcards.method).get(wildcards.get("variant")),
        "variants": [*RUN.variants_of(wildcards.method)],
        "protocols": RUN.protocols,
        "storages": [asdict(storage) for storage in storages_of(RUN.protocols)],
    }
    return json.dumps([entry.method, *(known[part] for part in parts)])


def own_training(wildcards):
    """The training of the entry, if its method is trained."""
    if not learns(method_of(wildcards)):
        return []
    return FOLDER.training(wildcards.method, wildcards.seed) / "training.json"


def restored_tables(wildcards):
    """The restored images of all variants of an entry; one job scores them."""
    return [
        FOLDER.restored(wildcards.method, variant, wildcards.seed, wildcards.dataset)
        for variant in RUN.variants_of(wildcards.method)
    ]


def teacher_training(wildcards):
    """The training of the teacher that the entry is distilled from, if it has one."""
    teacher = RUN.entry(wildcards.method).teacher
    return FOLDER.training(teacher, wildcards.seed) / "training.json" if teacher else []


def meaning_of_sources(wildcards, without, *functions):
    """What the sources that a job runs mean: comments, docstrings and what the entry's settings do
    not choose are left out (benchmark/spec/reach.py). If it changes, the job runs again.
    """
    entry = RUN.entry(wildcards.method)
    settings = {
        **entry.parameters,
        **(RUN.variants_of(wildcards.method).get(wildcards.get("variant")) or {}),
        "weathers": RUN.weathers_of(wildcards.method),
    }
    method = RUN.method_of(wildcards.method)
    return reach.meaning_for_entry(method, json.dumps(settings), without, functions)
