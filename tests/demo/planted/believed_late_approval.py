"""Planted: the terminal is told 98, yet the bank's late word is waited for, and believed when it comes."""

import msgspec
from planting import run_with

from posswitch.engine.effects import Decision, SendResponse, SetTimer
from posswitch.engine.events import AnswerArrived, ReversalArrived, TimerFired, Verdict

LONGER_S = 2.0
waited_for: dict[int, None] = {}


def bug(decision, state, event):
    verdict = decision.verdict
    payment = verdict.payment if verdict is not None else 0
    if isinstance(event, TimerFired) and payment and payment not in waited_for:
        waited_for[payment] = None
        told = tuple(effect for effect in decision.effects if isinstance(effect, SendResponse))
        return Decision(None, (*told, SetTimer(payment, LONGER_S)), "waits for the late word")
    if payment in waited_for and verdict.reversing and isinstance(event, ReversalArrived):
        return Decision(Verdict(payment, why="the late word will tell"), decision.effects[:1])
    if payment in waited_for and isinstance(event, AnswerArrived):
        return msgspec.structs.replace(decision, effects=())
    return decision


run_with(bug)
