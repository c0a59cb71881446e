from __future__ import annotations

import stat

from hypothesis import given
from hypothesis import strategies as st

from harness.host.guest.cpio import Entry, folder, link, newc, program


def read(archive: bytes) -> list[Entry]:
    """A reader of ``newc`` archives that follow each other, written from the format's description."""
    entries, at = [], 0
    while at < len(archive):
        if archive[at] == 0:
            at += 1
            continue
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = archive[at + 110 : at + 110 + name_size - 1].decode()
        data_at = (at + 110 + name_size + 3) // 4 * 4
        at = (data_at + size + 3) // 4 * 4
        if name != "TRAILER!!!":
            entries.append(Entry(name, archive[data_at : data_at + size], mode))
    return entries


names = st.text("abc/._-", min_size=1, max_size=20)
entry_lists = st.lists(st.builds(Entry, names, st.binary(max_size=50)), max_size=5)


@given(entry_lists, entry_lists)
def test_archives_that_follow_each_other_hold_what_was_put_in(first: list[Entry], second: list[Entry]) -> None:
    assert read(newc(first) + newc(second)) == first + second


def test_kinds_of_entries_have_their_modes() -> None:
    a_folder, a_program, a_link = read(newc([folder("bin"), program("bin/x", b"\x7fELF"), link("bin/y", "x")]))
    assert stat.S_ISDIR(a_folder.mode)
    assert stat.S_IMODE(a_program.mode) == 0o755
    assert stat.S_ISLNK(a_link.mode)
    assert a_link.data == b"x"
