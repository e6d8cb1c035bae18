"""``databroker-writable store``: CSV and columns as people and instruments write them."""

from __future__ import annotations

from typing import Any

import numpy
import pandas
import pytest

from databroker_writable import open_directory, to_dataset
from support.command_line import fail, run, succeed
from support.text_files import refused_text, store_text, write

pytestmark = pytest.mark.usefixtures("elsewhere")


def store(content: str | bytes, *options: str, name: str = "t.csv") -> tuple[dict[str, list[Any]], str]:
    return store_text(name, content, *options)


def refused(content: str | bytes, *options: str, name: str = "t.csv") -> str:
    return refused_text(name, content, *options)


@pytest.mark.parametrize(
    ("content", "options", "name", "expected"),
    [
        ("sample,x\n0042,1\n007,2\n", [], "t.csv", ["0042", "007"]),
        ("sample,x\n0042,1\n,2\n7,3\n", [], "t.csv", ["0042", None, "7"]),
        ("sample,x\n42,1\n-07,2\n1.5,3\n", [], "t.csv", ["42", "-07", "1.5"]),
        ('sample,x\n"0042",1\n"7",2\n', [], "t.csv", ["0042", "7"]),
        ("# sample x\n0042 1\n7 2\n", [], "t.dat", ["0042", "7"]),
        ("sample;x\n00;1,5\n7;2,5\n", ["--sep", ";", "--decimal", ","], "t.csv", ["00", "7"]),
    ],
)
def test_a_column_with_leading_zeros_stays_text(
    content: str, options: list[str], name: str, expected: list[str | None]
) -> None:
    columns, said = store(content, *options, name=name)
    assert [value if isinstance(value, str) else None for value in columns["sample"]] == expected
    assert numpy.issubdtype(type(columns["x"][0]), numpy.number)
    zeros = next(value for value in expected if value and value.lstrip("-").startswith("0"))
    assert said == (
        f"Note: in {name!r} the column 'sample' is stored as text, because its value {zeros!r} begins with a zero; to "
        "store numbers, write them without leading zeros\n"
    )


@pytest.mark.parametrize(
    "values", ["0,0.5", "-0,00.5", "1e05,1E-07", "+0.05,-0", "2024-05-01,08:30", "x1_05,x0x05"], ids=lambda text: text
)
def test_numbers_that_only_contain_zeros_are_read_as_before(values: str) -> None:
    columns, said = store(f"a,b\n{values}\n")
    assert said == ""
    for value, text in zip((columns["a"][0], columns["b"][0]), values.split(","), strict=True):
        assert value == text if isinstance(value, str) else value == float(text)


@pytest.mark.parametrize("content", ["a,b,a\n1,2,3\n", "a, a\n1,2\n", '"a",a \n1,2\n', "a,a,a.1\n1,2,3\n"], ids=ascii)
def test_a_column_name_that_stands_twice_is_refused(content: str) -> None:
    assert refused(content) == (
        "Error: 't.csv' cannot be read as CSV: its first line names two columns 'a'; rename one of them\n"
    )


def test_spaces_after_separators_and_around_names_are_no_part_of_values() -> None:
    columns, said = store('x, y , label, z\n1, 2, foo bar, "a, b"\n3, , "c", d\n')
    assert list(columns) == ["x", "y", "label", "z"]
    assert columns["x"] == [1, 3]
    assert columns["y"][0] == 2
    assert pandas.isna(columns["y"][1])
    assert columns["label"] == ["foo bar", "c"]
    assert columns["z"] == ["a, b", "d"]
    assert said == ""
    assert store("x\ty\n\t1\n 2\t 3\n", name="t.tsv")[0]["y"] == [1, 3]
    assert store("x, y\n1, 2\n", "--sep", ", ")[0] == {"x": [1], "y": [2]}
    assert "one character" in refused_separator(", ,")


def refused_separator(separator: str) -> str:
    return fail("store", write("t.csv", "x, y\n1, 2\n"), "--to", "other", "--sep", separator)


@pytest.mark.parametrize(
    ("content", "options", "name", "line", "word"),
    [
        ("x,mu\n1,0.5\n2,saturated\n3,0.7\n4,over\n", [], "t.csv", 3, "saturated"),
        ("# by hand\nx,mu\n1,0.5\n\n# pause\n3,-\n4,5\n", ["--comment", "#"], "t.csv", 6, "-"),
        ("made\nx,mu\n1,5\n3,err\n", ["--skip-rows", "1"], "t.csv", 4, "err"),
        ('x,mu\n"a\nb",5\n"c",err\n', [], "t.csv", 4, "err"),
        ("# x mu\n1 5\n2 ---\n", [], "t.dat", 3, "---"),
        ("x;mu\n1;0,5\n2;1.5\n", ["--sep", ";", "--decimal", ","], "t.csv", 3, "1.5"),
        ("x,mu\n1,0.5\nx,mu\n2,0.7\n3,1\n", [], "t.csv", 3, "mu"),
    ],
)
def test_a_word_among_numbers_is_noted(content: str, options: list[str], name: str, line: int, word: str) -> None:
    columns, said = store(content, *options, name=name)
    assert all(isinstance(value, str) for value in columns["mu"])
    assert (
        f"Note: in {name!r} the column 'mu' is stored as text, because its value {word!r} in line {line} is not a "
        "number; to store numbers, correct it, or write nan for a missing value\n"
    ) in said


@pytest.mark.parametrize(
    "values",
    [
        *("Cu Ni 5", "2024-05-01 2024-05-02", "12:30 12:45", "a1 7b 8", "True False", "1 2 nan"),
        *("1/2 2/2", "20-24 25-29", "1st 2nd", "002-001 002-003", "7-Cu 8-Ni"),
    ],
)
def test_columns_of_words_are_stored_without_a_note(values: str) -> None:
    assert store("\n".join(["x", *values.split()]) + "\n")[1] == ""


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (["1_000", "2_000"], []),
        (["5%", "10%"], []),
        (["-5 mm", "+.5 mm"], []),
        (["0x1F", "0x20"], []),
        (["1.0D+03", "2.0D+03"], []),
        (["8.970,5", "8.971,5"], ["--decimal", ","]),
        (["8 970,5", "8 971,5"], ["--decimal", ","]),
        (["8\u202f970,5", "8\u2009971,5"], ["--decimal", ","]),
        (["1.234(5)", "1.3(2)"], []),
        (["1.23(4)e-5", "1.3(0.2)"], []),
        (["1.2±0.1", "1.3 +/- 0.2"], []),
    ],
)
def test_numbers_in_another_form_are_noted(values: list[str], options: list[str]) -> None:
    columns, said = store("x;label\n" + "".join(f"{value};a\n" for value in values), "--sep", ";", *options)
    assert columns["x"] == values
    assert said == (
        f"Note: in 't.csv' the column 'x' is stored as text, because its values, such as {values[0]!r} in line 2, "
        f"are numbers in another form; to store numbers, write them like {'8970,5' if options else '8970.5'}\n"
    )


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;", "sep=;;"])
def test_the_line_with_which_excel_names_the_separator_is_none_of_the_table(line: str) -> None:
    assert store(f"{line}\r\na;b\r\n1;2\r\n") == ({"a": [1], "b": [2]}, "")
    assert store(f"\ufeff{line}\na;b\n1;2\n", "--skip-rows", "1") == ({"a": [1], "b": [2]}, "")
    assert store(f"{line}\na|b\n1|2\n", "--sep", "|") == ({"a": [1], "b": [2]}, "")


def test_the_line_with_which_excel_names_a_tab() -> None:
    assert store("sep=\t\na\tb\n1\t2\n") == ({"a": [1], "b": [2]}, "")


@pytest.mark.parametrize(("value", "options"), [("1e400", []), ("-1.5E+999", []), ("1,5e400", ["--decimal", ","])])
def test_a_number_beyond_float64_is_refused(value: str, options: list[str]) -> None:
    message = refused(f"a;b\ninf;1\n1;2\n{value};3\n", "--sep", ";", *options)
    assert f"the column 'a' holds '{value}' in line 4, which is beyond what float64 holds" in message


def test_infinities_that_are_written_as_such_are_stored() -> None:
    assert store("a\ninf\n-Infinity\n1\n") == ({"a": [numpy.inf, -numpy.inf, 1]}, "")


@pytest.mark.parametrize(
    "values", [["99999999999999999999", "1"], ["-9223372036854775809"], ["18446744073709551615", "-1"]]
)
def test_integers_beyond_64_bits_are_text_with_a_note(values: list[str]) -> None:
    columns, said = store("a\n" + "".join(f"{value}\n" for value in values))
    assert columns == {"a": values}
    assert said == (
        f"Note: in 't.csv' the column 'a' is stored as text, because its integers, such as '{values[0]}' in line 2, "
        "are beyond 64 bits; to store numbers, write them like 1.0e20\n"
    )


@pytest.mark.parametrize("value", ["100000000000000000000 ", "\n100000000000000000000"])
def test_integers_beyond_64_bits_with_blanks_in_quotation_marks_are_no_floats(value: str) -> None:
    columns, said = store(f'a,b\n"{value}",1\n5,2\n')
    assert columns == {"a": [value, "5"], "b": [1, 2]}
    assert f"such as {value!r} in line 2, are beyond 64 bits" in said


@pytest.mark.parametrize("value", ["7\n", " 7 "])
def test_numbers_between_whitespace_in_quotation_marks_are_numbers(value: str) -> None:
    assert store(f'a,b\n"{value}",1\n,2\n5,3\n') == ({"a": [7, pandas.NA, 5], "b": [1, 2, 3]}, "")


@pytest.mark.parametrize("last", ["", "0.5", "nan", "Cu"])
def test_rows_read_at_once_join_to_whole_columns(last: str) -> None:
    columns, _ = store("n,x\n" + "".join(f"{n},{n}.5\n" for n in range(1000)) + f"1000,{last}\n")
    assert columns["n"] == list(range(1001))
    assert [float(value) for value in columns["x"][:1000]] == [n + 0.5 for n in range(1000)]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0", "a PNG image"),
        (b"PK\x03\x04abc", "a zip file, as those of Excel are"),
        (b"%PDF-1.4\n", "a PDF"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--encoding", "latin-1"]])
def test_a_file_of_another_format_is_no_text(content: bytes, kind: str, options: list[str]) -> None:
    assert f"it is {kind}, and not text" in refused(content, *options)


@pytest.mark.parametrize("options", [[], ["--encoding", "latin-1"]])
def test_nul_characters_are_no_text(options: list[str]) -> None:
    message = refused("a,b\n1,é\n".encode("utf-16-le"), *options)
    assert "it holds NUL characters, so it is not text, or is text in another encoding" in message
    assert store("a,b\n1,é\n".encode("utf-16-le"), "--encoding", "utf-16-le")[0] == {"a": [1], "b": ["é"]}


@pytest.mark.parametrize("content", ["a, b\n1, 2\n", "# a, b\n1, 2\n3, 4\n", "a; b\n1; 2\n"])
def test_separators_before_blanks_are_no_part_of_names_and_values(content: str) -> None:
    separator = ";" if ";" in content else ","
    assert f"give the separator of the values: --sep '{separator}'" in refused(content, name="t.dat")
    assert list(store(content, "--sep", separator, name="t.dat")[0]) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "line", "values"), [("E mu\n1 2 # bad point\n3 4\n", 2, 5), ("E mu\n1 2\n3 4 ! bad\n", 3, 4)]
)
@pytest.mark.parametrize("options", [[], ["--comment", "#"]])
def test_a_comment_behind_a_row_is_named(content: str, line: int, values: int, options: list[str]) -> None:
    message = refused(content, *options, name="t.dat")
    comment = "# bad point" if "#" in content else "! bad"
    assert f"its row {line} has {values} values for 2 columns; remove the comment at its end, '{comment}'" in message
    assert store(content.replace(comment, ""), name="t.dat")[0] == {"E": [1, 3], "mu": [2, 4]}


def test_a_comment_below_the_first_line_is_named() -> None:
    content = "E mu\n1 2\n! end of scan\n"
    message = refused(content, name="t.dat")
    assert "its row 3 has 4 values for 2 columns, and begins with !; give --comment '!'" in message
    assert store(content, "--comment", "!", name="t.dat")[0] == {"E": [1], "mu": [2]}


def test_a_comment_of_fewer_values_is_named() -> None:
    message = refused("E,mu\n1,2\n# the end\n")
    assert "its row 3 has 1 value for 2 columns, and begins with #; give --comment '#'" in message
    assert store("E,mu\n1,2\n# the end\n", "--comment", "#")[0] == {"E": [1], "mu": [2]}


def test_an_exported_file_can_be_stored_again_with_its_units() -> None:
    store("a,b\n1,x #1\n", "--units", "a=mm")
    succeed("export", "results", "-1", "-o", "out.csv")
    succeed("store", "out.csv", "--to", "results")
    back = to_dataset(open_directory("results")[-1])
    assert (back["a"].values.tolist(), back["b"].values.tolist()) == ([1], ["x #1"])
    assert back["a"].attrs["units"] == "mm"


@pytest.mark.parametrize(
    ("content", "options", "name", "expected"),
    [
        ('a,t\n1,"x\n#note"\n#c\n2,"y\n#z"\n', ["--comment", "#"], "t.csv", ["x\n#note", "y\n#z"]),
        ('a;t\n1; "x\n\n #n ""q"" "\n#c "d\n2;y\n', ["--comment", "#", "--sep", ";"], "t.csv", ['x\n\n #n "q" ', "y"]),
        ('# a t\n1 "x\n# note"\n2\t"y\n# z"\n', [], "t.dat", ["x\n# note", "y\n# z"]),
        ('a,t\n1,5" tube\n#c\n2,y\n', ["--comment", "#"], "t.csv", ['5" tube', "y"]),
    ],
)
def test_a_line_within_quotation_marks_is_no_comment(
    content: str, options: list[str], name: str, expected: list[str]
) -> None:
    columns, _ = store(content, *options, name=name)
    assert columns == {"a": [1, 2], "t": expected}


def test_nor_is_it_in_an_exported_file() -> None:
    text = ["x\n# secret", "y\n#z"]
    open_directory("results").store_run({"a": [1, 2], "t": text})
    succeed("export", "results", "-1", "-o", "out.csv")
    succeed("store", "out.csv", "--to", "results")
    back = to_dataset(open_directory("results")[-1])
    assert (back["a"].values.tolist(), back["t"].values.tolist()) == ([1, 2], text)


def test_a_quotation_mark_without_an_end_above_comments_is_named() -> None:
    content = 'a,t\n1,"x\n' + "#note\n2,y\n" * 20_000
    assert "the value that begins in its row 2 is too long" in refused(content, "--comment", "#")


@pytest.mark.parametrize(
    "value",
    [
        "2024-05-01",
        "2024/5/1",
        "01.05.2024",
        "1-May-2024",
        "1 May 2024",
        "20240501T083000",
        "08:30",
        "2024-05-01 08:30",
    ],
)
def test_dates_and_times_are_stored_without_a_note(value: str) -> None:
    assert store(f"x,y\n{value},1\n")[1] == ""


@pytest.mark.parametrize(
    ("content", "options", "expected", "said"),
    [
        (
            "sample,x\nNA,1\nNone,2\nCu,3\nNA,4\n,5\n", [],
            [None, None, "Cu", None, None], "'NA' (line 2) or 'None' (line 3)",
        ),
        ("x,sample\n1,NA\n", [], [None], "'NA' (line 2)"),
        ("x,sample\n1,nan\n2,null\n", [], [None, None], "'nan' (line 2) or 'null' (line 3)"),
        ("# by hand\nsample;x\n\n null;1\nCu;2\n", ["--comment", "#", "--sep", ";"], [None, "Cu"], "'null' (line 4)"),
    ],
)  # fmt: skip
def test_words_that_are_taken_as_missing_are_noted(
    content: str, options: list[str], expected: list[str | None], said: str
) -> None:
    columns, notes = store(content, *options)
    assert [value if isinstance(value, str) else None for value in columns["sample"]] == expected
    assert notes == (
        f"Note: in 't.csv' the column 'sample' is missing values where it says {said}; if such a word is a value, "
        "write it in another way\n"
    )


@pytest.mark.parametrize(
    "content", ["x,y\nNA,1\n2,None\n", "x,y\n,1\nCu,2\n", "x,y\nnan,1\nNaN,2\n", "x,y\nTrue,1\nNA,2\n", "x,y\n,1\n"]
)
def test_missing_numbers_and_empty_values_are_missing_without_a_note(content: str) -> None:
    assert store(content)[1] == ""


def test_text_in_another_encoding_is_read_if_it_is_named() -> None:
    text = "sample,Energie (µeV)\nKöln,1\n"
    assert "its byte 16 is not text in UTF-8; give its encoding, such as --encoding latin-1" in refused(
        text.encode("latin-1")
    )
    assert "such as --encoding utf-16" in refused(text.encode("utf-16"))
    for encoding in ("latin-1", "cp1252", "utf-16", "utf-8", "utf-8-sig"):
        assert store(text.encode(encoding), "--encoding", encoding)[0] == {"sample": ["Köln"], "Energie (µeV)": [1]}
    assert store(text.encode("utf-8-sig"))[0] == {"sample": ["Köln"], "Energie (µeV)": [1]}
    for encoding in ("latin-one", "base64"):
        message = fail("store", write("t.csv", text), "--to", "other", "--encoding", encoding)
        assert f"there is no encoding {encoding!r} of text; give one such as utf-8 or latin-1" in message
    wrong = fail("store", write("t.csv", b"x\n\xff\n"), "--to", "other", "--encoding", "ascii")
    assert "its byte 2 is not text in ascii; give its encoding" in wrong


def test_decimal_commas_are_read_if_they_are_named() -> None:
    text = "x;y;label\n1,5;1e3;a,b\n-2,25;1,0E-5;c\n"
    assert "--sep ';' --decimal ','" in refused(text)
    assert "--decimal ','" in refused(text, "--sep", ";")
    assert "--sep ';' --decimal ','" in refused(text, "--decimal", ",")
    columns, said = store(text, "--sep", ";", "--decimal", ",")
    assert columns == {"x": [1.5, -2.25], "y": [1000, 1e-5], "label": ["a,b", "c"]}
    assert said == ""


@pytest.mark.parametrize(
    ("content", "name", "options", "expected"),
    [
        ("x;y\n1;2\n1,5;3\n", "t.csv", "--sep ';' --decimal ','", {"x": [1, 1.5], "y": [2, 3]}),
        ("1,5;2\n3;4\n", "t.csv", "--sep ';' --decimal ',' --no-header", {"column_1": [1.5, 3], "column_2": [2, 4]}),
        ("E mu\n1,5 2,5\n", "t.csv", "--sep 'space' --decimal ','", {"E": [1.5], "mu": [2.5]}),
        ("1,5\t2,5\n3,5\t4,5\n", "t.dat", "--decimal ','", {"column_1": [1.5, 3.5], "column_2": [2.5, 4.5]}),
        ("# E mu\n1,5 2\n", "t.dat", "--decimal ','", {"E": [1.5], "mu": [2]}),
        ('x,y\n"1,5",1\n', "t.csv", "--decimal ','", {"x": [1.5], "y": [1]}),
    ],
)  # fmt: skip
def test_one_message_names_all_options_for_decimal_commas(
    content: str, name: str, options: str, expected: dict[str, list[float]]
) -> None:
    assert options.removesuffix(" --no-header") in refused(content, name=name)
    words = [word.strip("'") for word in options.split()]
    assert store(content, *words, name=name)[0] == expected


def test_commas_that_may_separate_thousands_are_named_as_such() -> None:
    message = refused('x,y\n"1,000",1\n"12,500",2\n')
    assert "remove the commas, if they separate thousands" in message
    assert "thousands" not in refused('x,y\n"1,5",1\n"12,500",2\n')


def test_quoted_text_with_the_separator_is_no_other_table() -> None:
    assert store('name\n"Smith, 3"\n"Jones, 4"\n')[0] == {"name": ["Smith, 3", "Jones, 4"]}
    assert store("name\nsample 1\nsample 2\n")[0] == {"name": ["sample 1", "sample 2"]}


@pytest.mark.parametrize(
    ("label", "names"),
    [
        ("#L Two Theta  Epoch  Detector", ["Two Theta", "Epoch", "Detector"]),
        ("#L TwoTheta Epoch Detector", ["TwoTheta", "Epoch", "Detector"]),
        ("#L Two Theta  Detector", ["column_1", "column_2", "column_3"]),
        ("#L a  b  a", ["column_1", "column_2", "column_3"]),
    ],
)
@pytest.mark.parametrize("end", ["", "#C finished, by the user\n"])
def test_names_of_a_spec_file_are_used_if_they_fit(label: str, names: list[str], end: str) -> None:
    text = f"#S 1 ascan tth 0 1 2 1\n#D Fri May 31 12:00:00 2024\n#N 3\n{label}\n0 10 5\n1 11 7\n{end}"
    assert list(store(text, name="t.dat")[0]) == names


@pytest.mark.parametrize("option", ["--encoding", "--decimal"])
def test_options_of_text_are_for_text(option: str) -> None:
    write("a.nc", "x\n1\n")
    result = run("store", "a.nc", "--to", "results", option, {"--decimal": ","}.get(option, "latin-1"))
    assert result.exit_code == 2
    assert f"{option} is for text files" in result.stderr
    assert run("store", "a.nc", "--to", "results", "--decimal", ";").exit_code == 2


def test_notes_do_not_disturb_what_programs_read() -> None:
    write("t.csv", "sample\n0042\n")
    assert succeed("store", "t.csv", "--to", "results").startswith("stored ")


def test_missing_values_beside_large_integers_are_not_noted_as_words() -> None:
    columns, said = store("x,n\n1,18446744073709551615\n2,\n3,5\n")
    assert columns["n"][0] == "18446744073709551615"
    assert "is not a number" not in said
    assert "values are missing beside integers as large as '18446744073709551615'" in said


@pytest.mark.parametrize("large", [2**53 + 1, 1717156800123456789, 2**63 - 1, -(2**63)])
def test_integers_that_floats_cannot_hold_are_exact_beside_missing_values(large: int) -> None:
    assert store(f"x,n\n1,{large}\n2,\n3,5\n")[0]["n"] == [large, pandas.NA, 5]


@pytest.mark.parametrize("large", [2**53 + 1, -(2**53) - 1, 2**64 + 1, 123456789012345678901])
def test_integers_among_decimal_numbers_that_floats_cannot_hold_stay_text(large: int) -> None:
    columns, said = store(f"x,n\n1,{large}\n2,0.5\n3,\n")
    assert columns["n"][:2] == [str(large), "0.5"]
    assert f"its integer '{large}' in line 2 loses digits as a float" in said
    assert store(f"x,n\n1,{large}.0\n2,0.5\n") == ({"x": [1, 2], "n": [float(large), 0.5]}, "")


@pytest.mark.parametrize("large", [2**53, 2**63, -(2**64), 10**20])
def test_integers_among_decimal_numbers_that_floats_hold_are_numbers(large: int) -> None:
    assert store(f"x,n\n1,{large}\n2,0.5\n") == ({"x": [1, 2], "n": [float(large), 0.5]}, "")


def test_one_column_of_text_with_blanks_is_stored_as_told() -> None:
    assert "--sep 'space'" in refused("sample name\nCu 5\n")
    for name, content in (("t.csv", "sample name\nCu 5\n"), ("t.dat", "sample name\nCu 5\n")):
        assert store(content, "--sep", ",", name=name) == ({"sample name": ["Cu 5"]}, "")
    assert store("Cu 5\nNi 6\n", "--sep", ",", "--no-header") == ({"column_1": ["Cu 5", "Ni 6"]}, "")


@pytest.mark.parametrize(
    ("content", "name", "given", "way"),
    [
        ("a\tb\n1\t2\n3\t4\n", "t.csv", ";", "--sep 'tab'"),
        ("a;b\n1.5;2\n3.5;4\n", "t.csv", "tab", "--sep ';'"),
        ("name,note\nx,good\ny,bad\n", "t.csv", "|", "--sep ','"),
        ("# a b\n1 2\n3 4\n", "t.dat", ",", "--sep 'space'"),
    ],
)
def test_a_given_separator_that_divides_no_line_is_noted_with_one_that_does(
    content: str, name: str, given: str, way: str
) -> None:
    columns, said = store(content, "--sep", given, name=name)
    assert len(columns) == 1
    assert said.startswith(
        f"Note: in {name!r} the given separator divides no line, but {way} divides each into several values\n"
    )
    assert len(store(content, "--sep", way.split("'")[1], name=name)[0]) == 2


def test_values_that_a_given_separator_does_not_divide_are_not_only_called_decimal_commas() -> None:
    message = refused("a,b\n1,2\n3,4\n", "--sep", ";")
    assert "--sep ',' divides each into several values" in message
    assert "--decimal ','" in message
