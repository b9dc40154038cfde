"""The chain of the audit: what was altered, left out or put in shows, and where."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.audit import Entry, Flaw, Link, pack, unpack
from streams.release import digest

RELEASE = orjson.dumps({"vagt": "1.0.0", "models": []})


def body(number, **fields):
    return orjson.dumps({"n": number, "offset": number + 99, "release": digest(RELEASE), **fields})


def chain(count, start=0, link=None):
    """The link before and the lines of so many entries."""
    before = link or Link.first(2)
    lines, now = [], before
    for number in range(start + 1, start + count + 1):
        now, line = now.then(body(number, subject="s" * number))
        lines.append(line)
    return before, lines, now


def values(*sizes):
    """The audit's records of a partition with so many entries in each."""
    found: list[bytes] = []
    link, start = Link.first(2), 0
    for size in sizes:
        before, lines, link = chain(size, start, link)
        found += pack(2, RELEASE, before, lines)
        start += size
    return found


def numbers(read):
    return [one.number for one in read if isinstance(one, Entry)]


def flaws(read):
    return [one for one in read if isinstance(one, Flaw)]


def test_what_was_written_is_read_again_without_a_flaw():
    read = list(unpack(values(3, 1, 5)))
    assert numbers(read) == list(range(1, 10))
    assert flaws(read) == []
    assert isinstance(read[3], Entry)
    assert read[3].fields["offset"] == 103
    assert read[3].body == body(4, subject="ssss")


def test_a_reader_who_begins_in_the_middle_believes_the_first_head():
    read = list(unpack(values(3, 4)[1:]))
    assert (numbers(read), flaws(read)) == ([4, 5, 6, 7], [])


def test_a_chain_that_begins_otherwise_than_a_partitions_own_is_a_flaw():
    assert flaws(unpack(pack(2, RELEASE, Link.first(3), chain(1, link=Link.first(3))[1])))[0].number == 1


def test_large_checkpoints_are_cut_into_records_that_hang_together():
    link, lines = Link.first(2), []
    for number in range(1, 31):
        link, line = link.then(body(number, subject="x" * 60_000))
        lines.append(line)
    packed = list(pack(2, RELEASE, Link.first(2), lines))
    assert len(packed) > 3
    assert max(map(len, packed)) < 600_000
    read = list(unpack(packed))
    assert (numbers(read), flaws(read)) == (list(range(1, 31)), [])


@given(st.data())
@pytest.mark.req("VAGT-AUD-01")
def test_one_changed_byte_of_an_entry_names_that_entry_and_no_other(data):
    written = values(3, 2, 4)
    at = data.draw(st.integers(0, 2))
    lines = written[at].split(b"\n")
    row = data.draw(st.integers(1, len(lines) - 1))
    place = data.draw(st.integers(0, len(lines[row]) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda one: one not in (lines[row][place], 10)))
    lines[row] = lines[row][:place] + bytes([byte]) + lines[row][place + 1 :]
    written[at] = b"\n".join(lines)
    read = list(unpack(written))
    altered = (0, 3, 5)[at] + row
    assert {one.number for one in flaws(read)} == {altered}
    assert numbers(read) == [number for number in range(1, 10) if number != altered]


@given(st.integers(1, 8))
@pytest.mark.req("VAGT-AUD-01")
def test_a_missing_entry_shows_at_its_place(missing):
    ((head, *lines),) = [one.split(b"\n") for one in values(9)]
    found = flaws(unpack([b"\n".join([head, *lines[: missing - 1], *lines[missing:]])]))
    assert found[0].number == missing


def test_a_missing_record_shows_at_its_first_entry():
    written = values(3, 2, 4)
    read = list(unpack([written[0], written[2]]))
    assert [one.number for one in flaws(read)] == [4]
    assert numbers(read) == [1, 2, 3, 6, 7, 8, 9]


def test_two_entries_that_changed_places_show():
    ((head, *lines),) = [one.split(b"\n") for one in values(4)]
    assert flaws(unpack([b"\n".join([head, lines[0], lines[2], lines[1], lines[3]])]))[0].number == 2


@pytest.mark.req("VAGT-AUD-01")
def test_an_entry_that_was_put_in_shows():
    ((head, *lines),) = [one.split(b"\n") for one in values(4)]
    assert flaws(unpack([b"\n".join([head, *lines[:2], lines[1], *lines[2:]])]))[0].number == 3


def test_a_head_that_describes_another_release_shows():
    (written,) = values(2)
    found = flaws(unpack([written.replace(b'"vagt":"1.0.0"', b'"vagt":"1.0.1"')]))
    assert [one.number for one in found] == [1, 2]


def test_a_head_with_another_hash_before_it_shows_and_its_entries_are_checked_all_the_same():
    first, second = values(2, 2)
    head, _, rest = second.partition(b"\n")
    fields = orjson.loads(head)
    fields["previous"] = "0" * 64
    read = list(unpack([first, orjson.dumps(fields) + b"\n" + rest]))
    assert [one.number for one in flaws(read)] == [3]
    assert numbers(read) == [1, 2, 3, 4]


@pytest.mark.parametrize("head", [b"", b"{", b"[]", b'{"partition":1}', b"\xff"])
def test_a_head_that_cannot_be_read_shows(head):
    first, second = values(2, 2)
    assert flaws(unpack([first, head + b"\n" + second.partition(b"\n")[2]])) != []


@given(st.binary(max_size=200))
def test_whatever_stands_there_gives_flaws_and_never_raises(junk):
    assert all(isinstance(one, Flaw) for one in unpack([junk, junk])) or junk.startswith(b"{")


def test_where_a_chain_stands_is_stored_and_read_again():
    link, _ = Link.first(0).then(body(1))
    assert Link.stored(link.store()) == link
