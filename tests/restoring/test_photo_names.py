"""Which photos a call restores, what it leaves out, and where results go."""

from pathlib import Path

import pytest
from PIL import Image

from benchmark.core.errors import UserError
from benchmark.restoring.photo_names import Output, find_photos, outputs, without_existing


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def planned(names, out=None, kind="same", compare=False, recursive=False):
    out = None if out is None else Path(out)
    found = find_photos(map(Path, names), out, recursive)
    return [str(o.restored) for o in outputs(found, out, kind, compare)]


def test_photos_are_files_and_the_images_in_folders(here):
    touch("alone.xyz", *(f"in/{n}" for n in ("b.jpg", "a.PNG", "c.heic", "e.NEF", ".d.png")))
    found = find_photos([Path("alone.xyz"), Path("in"), Path("in/b.jpg")])
    assert list(map(str, found.photos)) == [
        "alone.xyz", "in/a.PNG", "in/b.jpg", "in/c.heic", "in/e.NEF",
    ]  # fmt: skip


def test_one_photo_by_two_spellings_of_its_path_is_restored_once(here):
    touch("in/a.jpg", "in/b.jpg")
    thrice = find_photos([Path("in/a.jpg"), here / "in" / "a.jpg", Path("in/../in/a.jpg")])
    assert [str(photo) for photo in thrice.photos] == ["in/a.jpg"]
    also_its_folder = find_photos([Path("in/a.jpg"), here / "in"])
    assert [photo.name for photo in also_its_folder.photos] == ["a.jpg", "b.jpg"]


def test_what_a_folder_holds_besides_photos_is_listed(here):
    touch("in/a.jpg", "in/notes.txt", "in/film.MP4", "in/sub/b.jpg", "in/a-restored.jpg",
          "in/b.GIF", "in/a-compare.jpg", "in/.hidden")  # fmt: skip
    found = find_photos([Path("in")])
    assert list(map(str, found.photos)) == ["in/a.jpg"]
    reasons = {path.name: reason.split(",")[0] for path, reason in found.left_out.items()}
    assert reasons == {
        "notes.txt": "not an image", "film.MP4": "not an image", "sub": "a folder",
        "a-restored.jpg": "a result of an earlier call",
        "b.GIF": "GIF is not supported; JPEG",
        "a-compare.jpg": "a result of an earlier call",
    }  # fmt: skip


def test_missing_paths_and_folders_without_images(here):
    touch("in/notes.txt", "deep/sub/a.png")
    with pytest.raises(UserError, match="no photo or folder 'gone'"):
        find_photos([Path("gone")])
    with pytest.raises(UserError, match=r"'in' holds no images\.$"):
        find_photos([Path("in")])
    with pytest.raises(UserError, match=r"'deep' holds no images\..*--recursive"):
        find_photos([Path("deep")])


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["in/notes.txt"], r"'in/notes\.txt' is no image of a kind that is read \(JPEG, .* Name "),
        (["in/a.gif"], r"'in/a\.gif': GIF is not supported; JPEG, PNG, .* Convert it"),
        (["in/a.nef", "in/a.gif"], r"'in/a\.nef' is a camera's RAW file"),
        (["in"], r"'in/a\.nef' is a camera's RAW file"),
        (["deep"], r"'deep' holds no images\. GIF is not supported; JPEG, PNG, .* are\.$"),
    ],
)
def test_photos_of_which_none_can_be_read_are_refused_at_once(here, paths, message):
    touch("in/a.gif", "in/a.nef", "deep/a.gif", "deep/b.gif", "in/notes.txt")
    with pytest.raises(UserError, match=message):
        find_photos(map(Path, paths))


def test_a_damaged_image_of_an_unusual_suffix_is_not_called_no_image(here):
    Image.new("RGB", (64, 64)).save("whole.png")
    Path("a.dat").write_bytes(Path("whole.png").read_bytes()[:60])
    assert [*find_photos([Path("a.dat")]).photos] == [Path("a.dat")]


def test_photos_that_cannot_be_read_do_not_stop_the_others(here):
    touch("a.gif", "b.jpg")
    assert [*find_photos([Path("a.gif"), Path("b.jpg")]).photos] == [Path("a.gif"), Path("b.jpg")]


def test_sub_folders_keep_their_place_and_results_are_no_photos(here):
    touch("in/a.jpg", "in/x/a.jpg", "in/x/y/b.jpg", "in/.git/c.jpg", "in/out/a.jpg")
    expected = ["in/out/a.jpg", "in/out/x/a.jpg", "in/out/x/y/b.jpg"]
    assert planned(["in"], "in/out", recursive=True) == expected


@pytest.mark.parametrize("out", [None, "in"])
def test_a_result_beside_its_photo_is_named_so_and_is_no_photo_next_time(here, out):
    touch("in/a.jpg")
    assert planned(["in"], out) == ["in/a-restored.jpg"]
    touch("in/a-restored.jpg")
    assert planned(["in"], out) == ["in/a-restored.jpg"]
    assert planned(["in/a-restored.jpg"], out) == ["in/a-restored-restored.jpg"]


def test_photos_that_differ_in_their_suffix_have_it_in_the_results_names(here):
    touch("1.jpg", "1.png", "2.jpg")
    names = ["1.jpg", "1.png", "2.jpg"]
    assert planned(names, "out", "png") == ["out/1-jpg.png", "out/1-png.png", "out/2.png"]
    assert planned(names, "out") == ["out/1.jpg", "out/1.png", "out/2.jpg"]
    together = outputs(find_photos(map(Path, names)), Path("out"), "same", True)
    comparisons = ["1-jpg-compare.jpg", "1-png-compare.jpg", "2-compare.jpg"]
    assert [o.comparison.name for o in together] == comparisons


def test_no_result_overwrites_a_photo_or_another_result(here):
    touch("a.png", "a.jpg", "x/a.png", "out/a.png")
    with pytest.raises(UserError, match="would both become 'out/a"):
        planned(["a.png", "x/a.png"], "out", "same")
    with pytest.raises(UserError, match=r"'out/a\.png' is a photo to restore"):
        planned(["a.jpg", "out/a.png"], "out", "png")


def test_same_takes_the_usual_suffix_of_a_format_with_another_name(here):
    image = Image.new("RGB", (8, 8))
    for name, kind in (("a.jfif", "JPEG"), ("b", "PNG"), ("c.tiff", "TIFF")):
        image.save(name, kind)
    assert planned(["a.jfif", "b", "c.tiff"], "out") == ["out/a.jpg", "out/b.png", "out/c.tiff"]


def test_results_that_are_there_are_kept_replaced_or_refused(here):
    touch("out/a.png", "out/c-compare.jpg")
    a, b, c = (Output(Path(n), Path(f"out/{n}"), Path(f"out/{n[0]}-compare.jpg"))
               for n in ("a.png", "b.png", "c.png"))  # fmt: skip
    assert without_existing([a, b, c], True, False) == ([b, c], [a])
    assert without_existing([a, b, c], False, True) == ([a, b, c], [])
    assert without_existing([b], False, False) == ([b], [])
    with pytest.raises(UserError, match=r"'out/a\.png' and 1 more results exist.*--overwrite"):
        without_existing([a, b, c], False, False)
    with pytest.raises(UserError, match=r"'out/c-compare\.jpg' exist"):
        without_existing([b, c], False, False)
