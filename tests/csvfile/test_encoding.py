"""Files in the encodings that customers have: told from the file, or named."""

import io

import pytest

from twolane import csvfile
from twolane.csvfile.encoding import ENCODINGS
from twolane.csvfile.guess import SCANNED_BYTES
from twolane.values.errors import UsageError

HEADER = "number,seats\n"
WORDS = {
    "cp1252": ["München", "Köln", "Düsseldorf", "Straße", "Nürnberg", "Würzburg"],
    "cp1250": ["Łukasz", "Łódź", "Małgorzata", "Gdańsk", "Świętosława", "Częstochowa", "Wrocław"],
    "cp1251": ["Москва", "Санкт-Петербург", "Новосибирск", "Казань", "Иван", "Ольга"],
    "koi8_r": ["Москва", "Санкт-Петербург", "Новосибирск", "Казань", "Иван", "Ольга"],
    "cp1253": ["Γιώργος", "Αθήνα", "Μαρία", "Θεσσαλονίκη", "Ελένη", "η πτήση ακυρώθηκε από τον πελάτη"],
    "cp1255": ["דוד כהן", "ירושלים", "הלקוח ביקש לשנות את הטיסה", "שרה לוי", "תל אביב"],
    "cp1256": ["محمد", "القاهرة", "فاطمة", "الرياض", "أحمد", "طلب العميل تغيير الرحلة"],
    "cp932": ["山田太郎", "東京都新宿区西新宿二丁目", "お客様のご要望により変更しました", "カタカナ"],
    "euc_jp": ["山田太郎", "東京都新宿区西新宿二丁目", "お客様のご要望により変更しました", "カタカナ"],
    "gb18030": ["北京市朝阳区建国路八十八号", "客户要求更改航班时间", "上海市浦东新区世纪大道", "张敏"],
    "big5": ["臺北市信義區市府路", "客戶要求更改航班時間", "高雄市前鎮區中山路", "張敏"],
    "cp949": ["서울특별시 강남구 테헤란로", "고객의 요청으로 변경되었습니다", "부산광역시 해운대구"],
    "utf_8": ["München", "東京", "🛫"],
    "utf_16_le": ["München", "東京", "🛫"],
    "utf_16_be": ["München", "東京", "🛫"],
}
MARKS = {"utf_8": b"\xef\xbb\xbf", "utf_16_le": b"\xff\xfe", "utf_16_be": b"\xfe\xff"}


def file_of(words: list[str], codec: str, mark: bytes = b"") -> bytes:
    return mark + (HEADER + "".join(f"{word},1\n" for word in words)).encode(codec)


@pytest.mark.parametrize("codec", WORDS)
def test_the_encoding_is_told_from_the_file(read_all, flight, codec):
    for mark in {b"", MARKS.get(codec, b"")}:
        data = file_of(WORDS[codec] * 3, codec, mark)

        rows, rejected, chunks = read_all(data)

        assert csvfile.check_head(io.BytesIO(data), flight).encoding == ENCODINGS[codec].label
        assert rejected == []
        assert [row.number for row in rows] == WORDS[codec] * 3
        assert chunks[-1].offset_bytes == len(data)


def test_every_encoding_that_is_told_has_a_test():
    assert {codec for codec, encoding in ENCODINGS.items() if encoding.detected} == set(WORDS)


@pytest.mark.parametrize("codec", ENCODINGS)
def test_every_encoding_can_be_named(read_all, codec):
    word = WORDS.get(codec, ["x"])[0]

    rows, rejected, _ = read_all(file_of([word], codec), encoding=codec)

    assert [row.number for row in rows] == [word]
    assert rejected == []


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("latin-1", "iso8859_1"),
        ("windows-1252", "cp1252"),
        ("UTF-8", "utf_8"),
        ("utf-8-sig", "utf_8"),
        ("ascii", "utf_8"),
        ("Shift_JIS", "cp932"),
        ("gbk", "gb18030"),
        ("euc-kr", "cp949"),
        ("UTF-16LE", "utf_16_le"),
    ],
)
def test_an_encoding_has_the_names_python_knows(flight, name, codec):
    data = file_of(["x"], codec)

    assert csvfile.check_head(io.BytesIO(data), flight, encoding=name).encoding == ENCODINGS[codec].label


@pytest.mark.parametrize("mark", [True, False])
@pytest.mark.parametrize("codec", ["utf_16_le", "utf_16_be"])
def test_utf_16_is_of_either_order(read_all, codec, mark):
    data = file_of(["München"], codec, MARKS[codec] if mark else b"")

    assert read_all(data, encoding="utf-16")[0][0].number == "München"


@pytest.mark.parametrize(
    "name", ["utf-7", "utf-32", "cp037", "iso2022_jp", "idna", "hex", "nonsense", "", "a\0"]
)
def test_an_encoding_that_is_not_read_is_refused_at_the_call(flight, name):
    with pytest.raises(UsageError, match=r"csvfile reads utf_8, .* not encoding="):
        csvfile.read(io.BytesIO(), flight, encoding=name)


def test_a_byte_that_does_not_decode_rejects_its_row_alone(read_all):
    data = file_of(["München"] * 20, "cp1252") + b"K\x81ln,2\nUA3,3\n"

    rows, rejected, _ = read_all(data)

    assert len(rows) == 21
    assert rejected == [
        csvfile.Rejected(22, "contains the byte 0x81, which is not Windows-1252 text", "K\\x81ln,2")
    ]


def test_a_stray_byte_does_not_make_another_encoding_of_utf_8(read_all):
    rows, rejected, _ = read_all("number,seats\nMünchen,1\n".encode() + b"K\xf6ln,2\n")

    assert [row.number for row in rows] == ["München"]
    assert rejected[0].reason == "contains the byte 0xF6, which is not UTF-8 text"


@pytest.mark.parametrize("half", [b"\x00\xd8", b"\x00\xdc"])
def test_half_a_character_of_utf_16_rejects_its_row_alone(read_all, half):
    data = file_of(["UA1"], "utf_16_le") + b"x\0" + half + ",2\nUA3,3\n".encode("utf_16_le")

    rows, rejected, chunks = read_all(data)

    assert [row.number for row in rows] == ["UA1", "UA3"]
    assert (rejected[0].line, rejected[0].reason) == (
        3,
        "contains half a character, which is not UTF-16 text",
    )
    assert chunks[-1].offset_bytes == len(data)


def test_utf_16_cut_in_the_middle_of_a_character_rejects_its_last_row(read_all):
    data = file_of(["UA1", "UA2"], "utf_16_le")[:-3]

    rows, rejected, chunks = read_all(data)

    assert [row.number for row in rows] == ["UA1"]
    assert (rejected[0].line, rejected[0].reason) == (
        3,
        "contains half a character, which is not UTF-16 text",
    )
    assert chunks[-1].offset_bytes == len(data)


def test_the_first_letter_beyond_ascii_may_come_late(read_all):
    data = HEADER.encode() + b"UA1,1\n" * 100_000 + "München,1\n".encode("cp1252")

    rows, rejected, _ = read_all(data)

    assert rows[-1].number == "München"
    assert rejected == []


class Counted(io.BytesIO):
    read_bytes = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.read_bytes += len(data)
        return data


def test_telling_looks_at_a_bounded_part(flight):
    ascii_only = Counted(HEADER.encode() + b"UA1,1\n" * 4_000_000)
    umlauts = Counted(HEADER.encode() + "München,1\n".encode("cp1252") * 2_000_000)

    for file, most in ((ascii_only, SCANNED_BYTES + 1_200_000), (umlauts, 2_000_000)):
        csvfile.check_head(file, flight)
        assert file.read_bytes < most


def test_letters_that_cannot_be_told_refuse_the_file_and_a_few_only_their_rows(read_all):
    """Wrong letters in somebody's database would be worse."""
    row = "東京,1\n".encode("cp932")

    with pytest.raises(csvfile.CsvError, match="letters cannot be told: save it as CSV"):
        read_all(HEADER.encode() + row)
    rows, rejected, _ = read_all(HEADER.encode() + b"UA1,1\n" * 10 + row)
    assert len(rows) == 10
    assert rejected[0].reason == "contains the byte 0x93, which is not UTF-8 text"


@pytest.mark.parametrize("codec", ["cp932", "big5", "gb18030"])
def test_a_pipe_that_may_be_half_a_character_is_refused(flight, codec):
    with pytest.raises(csvfile.CsvError, match=r"cannot be separated by '\|'"):
        csvfile.check_head(io.BytesIO(b"number|seats\nx|1\n"), flight, encoding=codec)


def test_charset_normalizer_is_not_needed_for_unicode(read_all, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    for codec in MARKS:
        assert read_all(file_of(WORDS[codec], codec))[1] == []


def test_what_was_told_once_holds_for_the_rest_of_the_file(read_all, flight):
    """The rest alone looks like another encoding: random bytes that no language has."""
    data = file_of(WORDS["cp1252"], "cp1252") + bytes(range(0xC0, 0xFF)) + b",7\n"
    (first, *_) = csvfile.read(io.BytesIO(data), flight, chunk_rows=3, encoding="cp1252")

    rows, _, chunks = read_all(data, start=first.cursor)

    assert "-cp1252-" in chunks[-1].cursor
    assert rows[-1].number == bytes(range(0xC0, 0xFF)).decode("cp1252")


def test_reading_from_the_middle_tells_nothing_anew(flight):
    data = HEADER.encode() + b"UA1,1\n" * 4_000_000
    first = next(csvfile.read(io.BytesIO(data), flight))
    file = Counted(data)

    next(csvfile.read(file, flight, start=first.cursor))

    assert file.read_bytes < 2_000_000
