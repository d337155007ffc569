"""Lines and columns of what tomllib reads, whatever the way it is written."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posswitch.settings.places import Places

TEXT = '''\
# [node] x = 1
top = 1
[node]
id = "A" # id = "B"
"lis ten" = """
[bank]
x = 1 \\"""
""""
a . b.'c' = {d = 1, e = [ {f=2}, {f = 3} ]}
[[bank]]
id = 1979-05-27 07:32:00 # hi
links = [
  "a]", # ]
  'b,#',
  ]
[[bank]]
 id = 2
[bank.sub]
y = '' # z
[[bank.row]]
[[bank.row]]
z = 1
[ "x y" . z ]
k = [[1,2],[3]]
'''


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("top",), (2, 1)),
        (("node",), (3, 1)),
        (("node", "id"), (4, 1)),
        (("node", "lis ten"), (5, 1)),
        (("node", "a", "b", "c", "e", 1, "f"), (9, 35)),
        (("bank",), (10, 1)),
        (("bank", 0), (10, 1)),
        (("bank", 0, "links", 1), (14, 3)),
        (("bank", 0, "links", 9), (12, 1)),
        (("bank", 1, "id"), (17, 2)),
        (("bank", 1, "none"), (16, 1)),
        (("bank", 1, "sub", "y"), (19, 1)),
        (("bank", 1, "row", 1, "z"), (22, 1)),
        (("x y", "z", "k", 1, 0), (24, 13)),
        (("nothing",), (1, 1)),
        ((), (1, 1)),
    ],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_place(path, place, ends):
    text = TEXT.replace("\n", ends)
    tomllib.loads(text)
    assert Places(text).of(path) == place


@pytest.mark.parametrize("lost", ["???", '"\\1"', '"\\ud800" = 1'])
def test_the_nearest_table_answers_where_the_scan_is_lost(lost):
    assert Places(f"[a]\nb = 1\n{lost}\n[c]\n").of(("a", "c")) == (1, 1)


@given(st.text(alphabet="ab.=[]{}\"'#\\\n, 1", max_size=60))
def test_every_key_that_tomllib_reads_has_a_place(text):
    places = Places(text)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    for key in values:
        assert (key,) in places._found
