from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from harness.artifacts.api import ImageConfig, User
from harness.artifacts.builders.debian import mirrors_for
from harness.artifacts.builders.embedded import adapted, mapped
from harness.artifacts.builders.from_image import artifact_name, similar_names
from harness.artifacts.canonical import ChunkStream, canonicalise
from harness.artifacts.digest import tar_digest
from harness.artifacts.packagings.image import changes
from harness.artifacts.tools import run_tool
from harness.artifacts.tree import app_digest, copy_app
from harness.errors import BuildError, SpecError, Unavailable

DEBIAN = ["http://m/debian/|bookworm|main|Debian", "http://m/sec/|bookworm-security|main|Debian"]


def test_an_app_tree_is_copied_without_byte_code(tmp_path: Path) -> None:
    app = tmp_path / "app"
    (app / "pkg/__pycache__").mkdir(parents=True)
    (app / "pkg/__pycache__/x.pyc").touch()
    (app / "pkg/m.py").write_text("1")
    (app / "run").touch(mode=0o777)
    (app / "link").symlink_to("pkg/m.py")
    (app / "pkg/m.py").chmod(0o600)
    before = app_digest(app)
    copy_app(app, tmp_path / "copy")
    assert sorted(str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*")) == [
        "link", "pkg", "pkg/m.py", "run",
    ]  # fmt: skip
    assert (tmp_path / "copy/pkg/m.py").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "copy/run").stat().st_mode & 0o777 == 0o755
    assert app_digest(tmp_path / "copy") == before
    (app / "pkg/m.py").write_text("2")
    assert app_digest(app) != before


def test_a_link_out_of_the_app_tree_is_refused(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app/out").symlink_to("/etc/passwd")
    with pytest.raises(SpecError, match="outside the app tree"):
        copy_app(tmp_path / "app", tmp_path / "copy")


def test_the_host_s_own_mirror_is_used() -> None:
    here = ["deb http://m/debian/ bookworm main", "deb http://m/sec/ bookworm-security main"]
    assert mirrors_for("bookworm", "bookworm", DEBIAN) == here
    assert mirrors_for("trixie", "bookworm", DEBIAN) == [line.replace("bookworm", "trixie") for line in here]
    assert mirrors_for("bookworm", "", ["http://u/ubuntu/|noble|main|Ubuntu"]) == []
    assert mirrors_for("bookworm", "bookworm", ["http://x/|bookworm|main|Microsoft", *DEBIAN]) == here
    assert mirrors_for("bookworm", "", ["http://x/debian|bookworm|main|$(ORIGIN)"]) == [
        "deb http://x/debian bookworm main"
    ]
    assert mirrors_for("bookworm", "bookworm", DEBIAN[1:]) == []


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("/app", "/t"), ("/app/x", "/t/x"), ("/app:/app/lib", "/t:/t/lib"), ("--dir=/app", "--dir=/t"),
        ("/apple", "/apple"), ("/srv/app", "/srv/app"), ("main:app", "main:app"),
    ],
)  # fmt: skip
def test_the_rule_for_app(value: str, result: str) -> None:
    assert mapped(value, Path("/t")) == result


def test_only_a_python_interpreter_is_exchanged() -> None:
    config = ImageConfig(argv=("/usr/bin/python3", "-m", "x"), workdir="/app", user=User())
    assert adapted(config, Path("/t")).argv[0] != "/usr/bin/python3"
    assert adapted(config, Path("/t")).workdir == "/t"
    assert adapted(ImageConfig(argv=("/app/serve",)), Path("/t")).argv == ("/t/serve",)


def test_an_export_loses_what_the_engine_put_there(tmp_path: Path) -> None:
    def export(*names: str) -> io.BufferedReader:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            for name in names:
                info = tarfile.TarInfo(name.rstrip("/"))
                info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
                info.size = 0 if name.endswith("/") or name == "etc/hosts" else 2
                tar.addfile(info, io.BytesIO(b"ab"))
        raw = data.getvalue()
        return io.BufferedReader(ChunkStream(raw[i : i + 7] for i in range(0, len(raw), 7)))

    plain = canonicalise(export("etc/", "etc/passwd", "srv"), tmp_path / "a.tar")
    canonicalise(
        export("etc/", "etc/passwd", "etc/hosts", "srv", ".dockerenv", "dev/", "dev/console", "proc/"),
        tmp_path / "b.tar",
    )
    assert plain == {"passwd": "ab"}
    assert tar_digest(tmp_path / "a.tar") == tar_digest(tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        assert {"dev", "proc", "sys", "run", "tmp"} < set(tar.getnames())
        assert "dev/console" not in tar.getnames()
        hosts = tar.extractfile("etc/hosts")
        assert hosts is not None
        assert b"localhost" in hosts.read()


def test_names() -> None:
    assert artifact_name("registry:5000/team/My_Shop:1.2@sha256:ab") == "my-shop-1-2"
    assert artifact_name("@") == "image"
    assert similar_names("shop:2", ["shop:1", "other:1"]) == ["shop:1"]


def test_words_of_the_configuration_survive_the_engine_s_parser() -> None:
    config = ImageConfig(argv=("a b", 'c"'), env=(("A", 'x "y" $z \\'), ("N", "a\nb")), user=User(1, 2), ports=(80,))
    assert changes(config, {"l": "v"}) == [
        'CMD ["a b", "c\\""]', 'WORKDIR "/"', "USER 1:2", 'ENV A="x \\"y\\" \\$z \\\\"', "EXPOSE 80", 'LABEL l="v"',
    ]  # fmt: skip


def test_a_failing_program_and_a_missing_one(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="exit status 3") as caught:
        run_tool(["sh", "-c", "echo said; exit 3"], where=tmp_path, remedy="r")
    assert caught.value.notes == ("said",)
    with pytest.raises(BuildError, match="no space left"):
        run_tool(["sh", "-c", "echo tar: No space left on device; exit 1"], where=tmp_path, remedy="r")
    with pytest.raises(Unavailable, match="not installed"):
        run_tool(["no-such-program-x"], where=tmp_path, remedy="r")
