"""The record of a restoration in XMP."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import jpeg_files
import pytest
from command import restore
from models import save_model
from pictures import saved, smooth

from restore.media.image import read
from restore.media.stamp import stamped, with_entry

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
EVENT = "{http://ns.adobe.com/xap/1.0/sType/ResourceEvent#}"
HISTORY = "{http://ns.adobe.com/xap/1.0/mm/}History"


def entries(packet: bytes) -> list[dict[str, str]]:
    """The history of a packet, by another parser."""
    found = ElementTree.fromstring(packet).iter(HISTORY)
    items = [item for history in found for item in history.iter(f"{RDF}li")]
    return [{part.tag.removeprefix(EVENT): part.text or "" for part in item} for item in items]


def test_an_entry_is_added_to_any_packet() -> None:
    once = with_entry(b"", 'denoise; "a" < b')
    assert [entry["parameters"] for entry in entries(once)] == ['denoise; "a" < b']
    twice = with_entry(once, "deblur")
    assert [entry["parameters"] for entry in entries(twice)] == ['denoise; "a" < b', "deblur"]
    other = jpeg_files.packet('xmp:Rating="5"')
    added = with_entry(other, "derain")
    assert [entry["action"] for entry in entries(added)] == ["filtered"]
    assert b'xmp:Rating="5"' in added
    assert with_entry(b"no XMP", "derain") == b"no XMP"


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "avif", "jp2", "jxl", "heic"])
def test_formats_with_xmp_are_stamped(tmp_path: Path, suffix: str) -> None:
    save_model(tmp_path, identity=True)
    saved(tmp_path / "in.png", smooth())
    words = ("denoise", "in.png", f"out.{suffix}", "--model", "tiny.safetensors")
    assert restore(*words, "--stamp", "--strength", "0.5", cwd=tmp_path).code == 0
    (entry,) = entries(read(tmp_path / f"out.{suffix}").info["xmp"])
    assert entry["softwareAgent"].startswith("restore ")
    task, model, digest, strength = entry["parameters"].split("; ")
    assert (task, strength) == ("denoise", "strength 0.5")
    assert model.startswith("model ")
    assert len(digest.removeprefix("SHA-256 ")) == 64


def test_no_stamp_is_the_default_and_other_formats_say_so(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    saved(tmp_path / "in.png", smooth())
    words = ("--model", "tiny.safetensors")
    assert restore("denoise", "in.png", "out.png", *words, cwd=tmp_path).stderr == ""
    assert "xmp" not in read(tmp_path / "out.png").info
    told = restore("denoise", "in.png", "out.bmp", "--stamp", *words, cwd=tmp_path)
    assert told.stderr == "note: in.png: BMP cannot store the stamp\n"


def test_folders_are_stamped_and_made_again_for_it(tmp_path: Path) -> None:
    save_model(tmp_path, identity=True)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(jpeg_files.ultra_hdr(smooth(80, 112)))
    words = ("denoise", "in", "out", "--model", "tiny.safetensors")
    assert restore(*words, cwd=tmp_path).code == 0
    assert restore(*words, "--stamp", cwd=tmp_path).stdout.startswith("1 done")
    assert len(entries(read(tmp_path / "out" / "a.jpg").info["xmp"])) == 1
    assert b"GainMap" in (tmp_path / "out" / "a.jpg").read_bytes()
    if shutil.which("exiftool"):
        command = ["exiftool", "-json", "-struct", "-XMP-xmpMM:all", tmp_path / "out" / "a.jpg"]
        done = subprocess.run(command, capture_output=True, check=True)
        (entry,) = json.loads(done.stdout)[0]["History"]
        assert entry["Parameters"].startswith("denoise; model ")


def test_a_picture_without_the_option_is_unchanged() -> None:
    from restore.media.picture import Picture

    picture = Picture(smooth(), None, {})
    assert stamped(picture, "denoise") is picture
