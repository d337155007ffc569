"""Drills on terminals: out of order, misused, too many at once."""

from collections.abc import Callable

from posswitch.sim.drills.drill import Drill, Sign
from posswitch.sim.drills.on_lines import told
from posswitch.sim.drills.scene import Scene
from posswitch.sim.orders import Clone, Come, Leave, Manner, Order, QuirkOf, Replay
from posswitch.sim.peers.quirks import Quirk
from posswitch.sim.peers.strangers import Stranger

_TESTING_TPS, _TESTERS = 20.0, 8
_GUESSING_TPS, _GUESSERS = 4.0, 3
_CLONE_TPS = 3.0
_REPLAYED, _REPLAYED_PER_S = 600, 30.0
_BLIP_S = 3.0
_WITHOUT_PIN, _WITH_PIN = (("kind", "sale"), ("entry", "022")), (("kind", "sale"), ("entry", "021"))


def _quirk(quirk: Quirk, which: Callable[[Scene], dict[str, str]]) -> Callable[[Scene], None]:
    """Terminals have a quirk: one, those of a model, those of a merchant, all."""

    def chosen(scene: Scene, is_: Quirk) -> QuirkOf:
        where = which(scene)
        only = (where["terminal"],) if "terminal" in where else ()
        return QuirkOf(is_, only, where.get("model", ""), where.get("merchant", ""))

    return told(lambda scene: chosen(scene, quirk), undo=(lambda scene: chosen(scene, Quirk.WELL),))


def _one(scene: Scene) -> dict[str, str]:
    return scene.place(("terminal",))


def _of_model(scene: Scene) -> dict[str, str]:
    return {"model": scene.model}


def _of_merchant(scene: Scene) -> dict[str, str]:
    return scene.place(("merchant",))


def _all(scene: Scene) -> dict[str, str]:
    return {}


def _comes(order: Callable[[Scene], Order]) -> Callable[[Scene], None]:
    return told(order, undo=(lambda scene: Leave(),))


def _storm(scene: Scene) -> None:
    """A bank is silent for a moment; from then on nobody waits any more, although it is well again."""
    scene.undo_with(QuirkOf())
    scene.undo_with(Manner(scene.bank))
    scene.tell(Manner(scene.bank, "silent"))
    scene.tell(QuirkOf(Quirk.RETRIES))
    scene.wait(_BLIP_S)
    scene.tell(Manner(scene.bank))


DRILLS = (
    Drill(
        "sec-mac-mismatch-one", ("terminal",), _quirk(Quirk.WRONG_MAC, _one),
        (Sign(codes=("A0",), share=0.2),), seconds_max=40.0,
    ),
    Drill(
        "sec-pin-key-mismatch-terminal", ("terminal",), _quirk(Quirk.WRONG_PIN, _one),
        (Sign(codes=("99", "55"), share=0.3),), alike=("sec-pin-brute",), seconds_max=40.0,
    ),
    Drill(
        "ord-stan-duplicate", ("terminal",), _quirk(Quirk.OLD_STANS, _one),
        (Sign(codes=("94",), share=0.5),), seconds_max=40.0,
    ),
    Drill(
        "ord-stan-duplicate-many", ("model",), _quirk(Quirk.OLD_STANS, _of_model),
        (Sign(codes=("94",), share=0.5),), seconds_max=40.0,
    ),
    Drill(
        "ord-batch-mismatch", ("terminal",), _quirk(Quirk.OTHER_BATCH, _one),
        (Sign(codes=("77",), share=0.3),), seconds_max=40.0,
    ),
    Drill(
        "ord-batch-mismatch+model", ("model",), _quirk(Quirk.OTHER_BATCH, _of_model),
        (Sign(codes=("77",), share=0.3),), alike=("ter-no-signon",),
    ),
    Drill(
        "data-format-one-terminal", ("model",), _quirk(Quirk.NO_FIELD, _of_model),
        (Sign(codes=("30",), share=0.7),),
    ),
    Drill(
        "ter-param-bad", ("model",), _quirk(Quirk.CURRENCY, _of_model),
        (Sign(codes=("12",), share=0.6),),
    ),
    Drill(
        "ter-reversal-loop", ("terminal",), _quirk(Quirk.STUCK, _one),
        (Sign(codes=("00", "25", "12"), kind="reversal"),), lingers=True, seconds_max=40.0,
    ),
    Drill(
        "ord-original-not-found", ("merchant",), _quirk(Quirk.LOSES_ORIGINALS, _of_merchant),
        (Sign(codes=("25",), share=0.3),), does=(("kind", "void"),), seconds_max=30.0,
    ),
    Drill(
        "ord-refund-over", ("merchant",), _quirk(Quirk.OVER_REFUNDS, _of_merchant),
        (Sign(codes=("64",), share=0.3),), alike=("ord-original-not-found",),
        does=(("kind", "refund"),), lingers=True, seconds_max=30.0,
    ),
    Drill(
        "stl-imbalance-terminal", ("terminal",), _quirk(Quirk.FORGETS, _one),
        (Sign(codes=("00",), share=0.1, kind="upload"),), seconds_max=60.0,
    ),
    Drill(
        "ovl-retry-storm", (), _storm, (Sign(codes=("00",), share=0.2, kind="reversal"),),
        seconds_max=30.0,
    ),
    Drill(
        "ovl-retry-storm+same", (), _quirk(Quirk.REPEATS, _all), (Sign(codes=("00",)),),
        seconds_max=30.0,
    ),
    Drill(
        "ovl-reconnect-storm", (), _quirk(Quirk.SIGNS_ON, _all),
        (Sign(codes=("00",), share=0.2, kind="sign-on"),), seconds_max=30.0,
    ),
    Drill(
        "ovl-batch-collision", (), _quirk(Quirk.SETTLES, _all),
        (Sign(codes=("00",), share=0.1, kind="settlement"),), seconds_max=30.0,
    ),
    Drill(
        "sec-card-testing", ("bin",),
        _comes(
            lambda scene: Come(Stranger.TRIES_CARDS, _TESTING_TPS, _TESTERS, cards=scene.bin.prefix),
        ),
        (Sign(codes=("14", "54", "59"), share=0.3), Sign(rises="guards_barred")),
        seconds_max=30.0, wider=(("bank",), ()), does=_WITHOUT_PIN, lingers=True,
    ),
    Drill(
        "sec-pin-brute", ("bin",),
        _comes(lambda scene: Come(Stranger.GUESSES_PIN, _GUESSING_TPS, _GUESSERS, cards=scene.bin.prefix)),
        (Sign(rises="guards_barred"),),
        seconds_max=40.0, wider=(("bank",), ()), does=_WITH_PIN, lingers=True,
    ),
    Drill(
        "sec-pin-brute+spray", ("bin",),
        _comes(lambda scene: Come(Stranger.SPRAYS_PINS, _GUESSING_TPS, _GUESSERS, cards=scene.bin.prefix)),
        (Sign(rises="guards_barred"),),
        seconds_max=40.0, wider=(("bank",), ()), does=_WITH_PIN, lingers=True,
    ),
    Drill(
        "sec-replay", (),
        _comes(lambda scene: Replay(_REPLAYED, _REPLAYED_PER_S)),
        (Sign(fact="repeats"),),
        seconds_max=40.0,
    ),
    Drill(
        "sec-unknown-terminal+clone", ("terminal",),
        _comes(lambda scene: Clone(scene.terminal, _CLONE_TPS)),
        (Sign(codes=("A0", "77", "94", "59"), share=0.2),),
        lingers=True, seconds_max=40.0, alike=("sec-mac-mismatch-one", "sec-replay", "ord-stan-duplicate"),
    ),
)  # fmt: skip
