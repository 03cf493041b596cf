"""The job's place on disk: names, refusals, resume, the final rename."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from filmcli.errors import MachineError, OutputExistsError, UsageError
from filmcli.pipeline.job import (
    check_output,
    open_job,
    output_path,
    recall,
    unfinished,
)
from filmcli.pipeline.segments import Segment

PLAN = [Segment(0, 0, 10), Segment(1, 10, 20)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (None, "films/in.60fps.mp4"),
        ("elsewhere/", "elsewhere/in.60fps.mp4"),
        ("named.mkv", "named.mkv"),
    ],
)
def test_default_name_stands_beside_the_input(output: str | None, expected: str) -> None:
    assert output_path("films/in.mp4", "60fps", output) == expected


def test_an_existing_folder_takes_the_default_name_and_old_containers_become_matroska(
    tmp_path: Path,
) -> None:
    assert output_path("in.avi", "2x", str(tmp_path)) == str(tmp_path / "in.2x.mkv")


def test_the_input_is_never_the_output_not_even_by_link(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"film")
    (tmp_path / "hard.mp4").hardlink_to(source)
    (tmp_path / "soft.mp4").symlink_to(source)
    for name in ("in.mp4", "hard.mp4", "soft.mp4"):
        with pytest.raises(UsageError):
            check_output(str(source), str(tmp_path / name), overwrite=True)


def test_an_existing_output_needs_to_be_asked_for(tmp_path: Path) -> None:
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(b"film")
    output.write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        check_output(str(source), str(output), overwrite=False)
    check_output(str(source), str(output), overwrite=True)


def test_a_dangling_link_is_an_existing_output(tmp_path: Path) -> None:
    source, output = tmp_path / "in.mp4", tmp_path / "out.mp4"
    source.write_bytes(b"film")
    output.symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputExistsError):
        check_output(str(source), str(output), overwrite=False)


def test_a_missing_folder_and_a_folder_as_output_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.mp4"
    source.write_bytes(b"film")
    with pytest.raises(MachineError):
        check_output(str(source), str(tmp_path / "no" / "out.mp4"), overwrite=False)
    with pytest.raises(UsageError):
        check_output(str(source), str(tmp_path), overwrite=True)


def test_a_finished_segment_survives_and_a_half_one_does_not(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")
    with pytest.raises(KeyboardInterrupt), open_job(output, "k" * 16, ".h264", None, False) as job:
        job.record({}, PLAN, {})
        Path(job.part(0)).write_bytes(b"whole")
        job.finish(0)
        Path(job.part(1)).write_bytes(b"hal")
        raise KeyboardInterrupt
    assert sorted(os.listdir(job.folder)) == ["000000.h264", "first_pass.json", "job.json", "lock"]
    with open_job(output, "k" * 16, ".h264", None, False) as job:
        job.record({}, PLAN, {})
        assert [job.is_finished(index) for index in range(2)] == [True, False]


def test_nothing_is_left_when_nothing_was_finished(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")
    with pytest.raises(ValueError), open_job(output, "k" * 16, ".h264", None, False) as job:
        job.record({}, PLAN, {})
        Path(job.part(0)).write_bytes(b"half")
        Path(job.temporary).write_bytes(b"joined in part")
        raise ValueError
    assert os.listdir(tmp_path) == []


def test_another_plan_or_fresh_drops_what_was_made(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")

    def make_first(fresh: bool, plan: list[Segment]) -> bool:
        with open_job(output, "k" * 16, ".h264", None, fresh) as job:
            job.record({}, plan, {})
            finished = job.is_finished(0)
            Path(job.part(0)).write_bytes(b"whole")
            job.finish(0)
            return finished

    assert not make_first(False, PLAN)
    assert make_first(False, PLAN)
    assert not make_first(True, PLAN)
    assert not make_first(False, PLAN[:1])


def test_what_the_first_pass_found_is_recalled_until_the_job_is_gone(tmp_path: Path) -> None:
    output, found = str(tmp_path / "out.mp4"), {"cuts": [3], "times": ["0", "1/24"]}
    with open_job(output, "k" * 16, ".h264", None, False) as job:
        job.record({}, PLAN, found)
        assert recall(output, "k" * 16, None) == found
        assert recall(output, "m" * 16, None) is None
        for torn in ("", '{"cuts": [', "[]"):
            Path(job.folder, "first_pass.json").write_text(torn)
            assert recall(output, "k" * 16, None) is None
    assert recall(output, "k" * 16, None) is None


def test_two_runs_on_one_output_are_kept_apart(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")
    with open_job(output, "k" * 16, ".h264", None, False) as job:
        job.record({}, PLAN, {})
        with (
            pytest.raises(MachineError, match="another run"),
            open_job(output, "k" * 16, ".h264", None, False),
        ):
            pass
        assert os.path.isdir(job.folder)


def test_other_settings_have_another_folder_which_is_named(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")
    with open_job(output, "a" * 16, ".h264", None, False) as job:
        Path(job.part(0)).write_bytes(b"whole")
        job.finish(0)
    assert unfinished(output, "b" * 16, None) == [job.folder]
    assert unfinished(output, "a" * 16, None) == []


def test_publish_gives_the_name_and_clears_up(tmp_path: Path) -> None:
    output = str(tmp_path / "out.mp4")
    with open_job(output, "k" * 16, ".h264", None, False) as job:
        Path(job.part(0)).write_bytes(b"whole")
        job.finish(0)
        Path(job.temporary).write_bytes(b"film")
        job.publish(overwrite=False)
    assert os.listdir(tmp_path) == ["out.mp4"]
    assert Path(output).read_bytes() == b"film"


def test_publish_replaces_only_when_asked(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    with open_job(str(output), "k" * 16, ".h264", None, False) as job:
        output.write_bytes(b"came meanwhile")
        Path(job.temporary).write_bytes(b"film")
        with pytest.raises(OutputExistsError):
            job.publish(overwrite=False)
        assert output.read_bytes() == b"came meanwhile"
        job.publish(overwrite=True)
    assert output.read_bytes() == b"film"


def test_a_run_that_gets_the_folder_after_another_made_the_film_leaves_nothing(
    tmp_path: Path,
) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"made by the run that held the folder before")
    with (
        pytest.raises(OutputExistsError, match="appeared"),
        open_job(str(output), "k" * 16, ".h264", None, False) as job,
    ):
        job.check_name_is_free()
    assert os.listdir(tmp_path) == ["out.mp4"]


def test_an_output_name_of_255_bytes(tmp_path: Path) -> None:
    output = tmp_path / ("x" * 251 + ".mp4")
    with open_job(str(output), "k" * 16, ".h264", None, False) as job:
        Path(job.temporary).write_bytes(b"film")
        job.publish(overwrite=False)
    assert output.read_bytes() == b"film"
