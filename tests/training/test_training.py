"""Training: tables are whole in both languages, a duty is scored, people are answered, a diary is kept."""

import random
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from posswitch.base.errors import PosswitchError
from posswitch.cli.main import app
from posswitch.diagnose.phrases import LANGS
from posswitch.sim.drills.drill import Ground
from posswitch.sim.drills.table import DRILLS
from posswitch.sim.training import diary as diary_room
from posswitch.sim.training.diary import Diary, Entry, known_name, summary
from posswitch.sim.training.people import Visit
from posswitch.sim.training.quiz import Quiz
from posswitch.sim.training.score import (
    ACT,
    CAUSE,
    GUESS,
    HARM,
    KIND,
    MOST,
    PEOPLE,
    PLACE,
    SPEED,
    speed_points,
)
from posswitch.sim.training.shift import SECONDS_MAX, Shift
from posswitch.sim.training.tables import ACTS, BEST, CALL, COMPLAINT, ENCOUNTERS, LESSONS, act_title, words

LINK = {"link": "90030000/1"}


class Field:
    """A field on which nothing happens but what is said."""

    def __init__(self):
        self.names = {("bank", "90030000"): "Bank C"}
        self.now_s, self.healed, self.ran = 30.0, 0, []

    def look(self):
        yield "quiet"

    def by(self, dim):
        yield f"by {dim}"

    def run(self, command, rest):
        self.ran.append((command, *rest))
        yield "ran"

    def money_minor(self):
        return int(self.now_s * 100)

    def heal(self):
        self.healed += 1

    def seconds(self):
        return self.now_s


def duty(field, name="net-half-open", places=(LINK,), visitors=(), lang="en"):
    return Shift(field, DRILLS[name], list(places), LESSONS[name], visitors, lang, random.Random(1))


def typed(shift, *lines):
    return [said for line in lines for said in shift.heard(line)]


def good_letter(visit):
    return "abc"[[option.score for option in visit._options].index(BEST)]


# Tables


def test_ten_call_and_ten_complain_and_each_has_one_best_answer():
    sorts = [one.sort for one in ENCOUNTERS.values()]
    assert (sorts.count(CALL), sorts.count(COMPLAINT)) == (10, 10)
    for one in ENCOUNTERS.values():
        scores = [option.score for option in one.options]
        assert len(scores) >= 3, one.name
        assert scores.count(BEST) == 1
        assert min(scores) < 0
        texts = [
            one.who,
            one.says,
            *(option.text for option in one.options),
            *(option.why for option in one.options),
        ]
        for text in texts:
            assert len(text) == len(LANGS)
            assert all(text), one.name
            assert not text[1].isascii() or text[0] != text[1]
            assert any("一" <= char <= "鿿" for char in text[0]), one.name
            assert not any("一" <= char <= "鿿" for char in text[1]), one.name


def test_lessons_are_drills_with_acts_that_help_and_acts_that_harm():
    assert len(LESSONS) >= 45
    causes = {DRILLS[name].cause for name in LESSONS}
    assert causes >= {
        "network",
        "overload",
        "fault",
        "data",
        "security",
        "limit",
        "order",
        "key",
        "bank",
        "clock",
    }
    for lesson in LESSONS.values():
        assert DRILLS[lesson.drill].ground is Ground.PLAIN, lesson.drill
        assert lesson.right
        assert lesson.wrong
        assert not set(lesson.right) & set(lesson.wrong), lesson.drill


@pytest.mark.parametrize("lang", LANGS)
def test_every_act_has_a_title_and_every_word_is_used(lang):
    titles = [act_title(act, lang) for act in ACTS]
    assert len(set(titles)) == len(ACTS)
    text = "".join(path.read_text("utf-8") for path in Path(diary_room.__file__).parent.glob("*.py"))
    text += (Path(diary_room.__file__).parents[2] / "cli" / "train.py").read_text("utf-8")
    table = (Path(diary_room.__file__).parent / "data" / "words.tsv").read_text("utf-8").splitlines()[1:]
    for row in table:
        name, zh, en = row.split("\t")
        assert zh
        assert en
        assert f'"{name}"' in text, name


def test_a_language_that_is_not_known_is_refused():
    with pytest.raises(PosswitchError, match="zh or en"):
        words("begin", "fr")


# A duty


def test_the_right_kind_place_and_act_in_time_get_everything():
    field = Field()
    shift = duty(field)
    assert list(shift.begin())[-1] == "quiet"
    typed(shift, "diagnose net-half-open link 90030000/1", "act fence-link 90030000/1")
    assert shift.over
    assert field.healed == 1
    score = shift.outcome.score
    assert score.total == MOST
    assert shift.outcome.money_minor == 3000
    told = "\n".join(shift.debrief())
    assert f"Score {MOST} of {MOST}" in told
    assert "Bank C" in told


def test_the_cause_alone_is_worth_less_and_the_bank_of_the_link_half():
    shift = duty(Field())
    typed(shift, "diagnose network link 90030000/1")
    assert shift.outcome.score.diagnosis == CAUSE + PLACE
    shift = duty(Field())
    typed(shift, "diagnose net-one-way bank 90030000")
    assert shift.outcome.score.diagnosis == CAUSE + KIND + PLACE // 2
    assert shift.outcome.diagnosed_s is None
    assert shift.outcome.score.lost == GUESS


def test_wrong_guesses_and_harmful_acts_are_taken_off_and_late_is_slow():
    field = Field()
    shift = duty(field)
    said = typed(
        shift, "diagnose overload all", "act restart-node", "act notify", "act fence-link 90010000/0"
    )
    assert any("harm" in line for line in said)
    assert field.healed == 0
    score = shift.outcome.score
    assert (score.diagnosis, score.action, score.lost) == (0, 0, HARM + GUESS)
    field.now_s = 200.0
    typed(shift, "diagnose net-half-open link 90030000/1", "act sign-on-again 90030000/1")
    score = shift.outcome.score
    assert score.action == ACT
    assert 0 < score.speed < SPEED
    assert shift.over


def test_speed_counts_from_a_minute_to_five():
    assert speed_points(60.0, 60.0) == SPEED
    assert speed_points(300.0, None) == 0
    assert speed_points(60.0, None) == round(SPEED / 2)


def test_what_is_no_command_is_answered_and_incidents_stay_hidden():
    field = Field()
    shift = duty(field)
    said = typed(
        shift,
        "fly",
        "incidents",
        "by weather",
        "by code",
        "ping 90030000",
        "diagnose",
        "act fence-link",
        "\n",
    )
    assert "fly is no command" in said[0]
    assert "hidden" in said[1]
    assert field.ran == [("ping", "90030000")]
    assert not shift.over
    assert any("diagnose network bank" in line for line in said)
    assert shift.outcome.score.lost == 0


def test_a_duty_ends_when_its_time_is_over_or_the_person_is_done():
    field = Field()
    shift = duty(field)
    field.now_s = SECONDS_MAX + 1
    assert typed(shift, "look") == [words("over", "en")]
    assert shift.over
    shift = duty(Field())
    typed(shift, "done")
    assert shift.over
    assert "never" in "\n".join(shift.debrief())


def test_somebody_calls_in_between_waits_and_is_answered_with_a_letter():
    visitors = [ENCOUNTERS["director-key"], ENCOUNTERS["charged-no-slip"]]
    shift = duty(Field(), visitors=visitors)
    typed(shift, "look")
    assert not shift.asks_letter
    typed(shift, "look")
    assert shift.asks_letter
    typed(shift, "diagnose net-half-open link 90030000/1", "act fence-link 90030000/1")
    assert not shift.over  # the caller still waits
    said = typed(shift, good_letter(shift._visit))
    assert said[0].startswith("+10 points")
    assert shift.over
    assert shift.outcome.score.scenes == PEOPLE


def test_a_bad_answer_costs_and_one_that_is_not_given_is_worth_nothing():
    shift = duty(Field(), visitors=[ENCOUNTERS["director-key"]])
    typed(shift, "look", "look", "done")
    assert shift.outcome.score.scenes == 0
    shift = duty(Field(), visitors=[ENCOUNTERS["director-key"]])
    typed(shift, "look", "look")
    worst = min(range(3), key=lambda place: shift._visit._options[place].score)
    typed(shift, "abc"[worst])
    assert shift.outcome.score.scenes == -PEOPLE


def test_options_come_in_an_order_of_their_own():
    orders = {
        tuple(
            option.score for option in Visit(ENCOUNTERS["director-key"], "zh", random.Random(seed))._options
        )
        for seed in range(20)
    }
    assert len(orders) > 3


def test_a_quiz_asks_everybody_once():
    quiz = Quiz(list(ENCOUNTERS.values())[:5], "zh", random.Random(3))
    asked = []
    while not quiz.over:
        asked.append(quiz._visit.encounter.name)
        list(quiz.heard("nonsense"))
        list(quiz.heard(good_letter(quiz._visit)))
    assert sorted(asked) == sorted(list(ENCOUNTERS)[:5])
    assert (quiz.score, quiz.most) == (50, 50)


# The diary


def entry(who="li", number=0, score=50, cause="network"):
    return Entry(number, who, "net-half-open", cause, 1, score, 100)


def test_a_diary_keeps_the_last_of_everybody_and_is_private(tmp_path, monkeypatch):
    monkeypatch.setattr(diary_room, "OF_ONE_MAX", 3)
    monkeypatch.setattr(diary_room, "ALL_MAX", 5)
    diary = Diary(tmp_path / "training.jsonl")
    for number in range(5):
        diary.note(entry("li", number))
        diary.note(entry("wang", 100 + number))
    assert [one.at_ns for one in diary.read("wang")] == [102, 103, 104]
    assert [one.at_ns for one in diary.read("li")] == [3, 4]
    assert stat.S_IMODE((tmp_path / "training.jsonl").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["training.jsonl"]


def test_lines_that_nobody_can_read_are_passed_over(tmp_path):
    path = tmp_path / "training.jsonl"
    diary = Diary(path)
    diary.note(entry())
    path.write_bytes(path.read_bytes() + b"not json\n\xff\n" + b'{"who": 3}\n')
    assert len(diary.read()) == 1
    path.write_bytes(b"x" * (5 << 20))
    with pytest.raises(PosswitchError, match="too large"):
        diary.read()


def test_a_summary_names_the_weakest_cause():
    entries = [entry(score=90), entry(score=20, cause="key"), entry(score=40, cause="key")]
    assert "密钥" in summary(entries, "li", "zh")
    said = summary(entries, "li", "en")
    assert "lessons 3" in said
    assert "50 of 100" in said
    assert "key" in said
    assert "no lessons" in summary([], "li", "en")


@pytest.mark.parametrize("who", ["", "   ", "x" * 41, "li\x1b[2J"])
def test_a_name_that_is_none_is_refused(who):
    with pytest.raises(PosswitchError, match="--who"):
        known_name(who)


# The command


def test_calls_are_trained_from_standard_input_and_noted(tmp_path):
    history = str(tmp_path / "t.jsonl")
    words_ = ["drill", "calls", "--train", "--who", "Li", "--history", history, "--lang", "en", "--json"]
    shown = CliRunner().invoke(app, words_, input="z\n" + "a\n" * 10)
    assert shown.exit_code == 0, shown.output
    assert shown.output.count("points.") == 10
    assert [one.lesson for one in Diary(Path(history)).read("Li")] == ["calls"]
    past = CliRunner().invoke(
        app, ["drill", "--train", "--past", "--who", "Li", "--history", history, "--lang", "en"]
    )
    assert "Li: lessons 1" in past.output


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["net-tls-cert-expired", "--train"], "not among the lessons"),
        (["--past"], "belong to --train"),
        (["calls", "--train", "--history", "/proc/nothing/t"], "give --history another file"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(more, why):
    with pytest.raises(PosswitchError, match=why) as found:
        CliRunner().invoke(app, ["drill", *more], catch_exceptions=False, input="a\n")
    assert "\n" not in str(found.value)
