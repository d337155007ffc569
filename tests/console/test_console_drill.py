"""The buttons of a drill: what they order, and what late answers of the city do to them."""

import asyncio

from reader import again, looked_at

from posswitch.console import page as room


def test_cables_are_pulled_and_the_node_is_killed_only_at_the_second_press(puppet, monkeypatch):
    ordered = []

    async def order(folder, do, **more):
        ordered.append((do, more.get("bank"), more.get("link")))
        return puppet.do({"do": "state"}) if do == "state" else {}

    monkeypatch.setattr(room, "order", order)

    async def script(reader):
        reader.page.show(again(reader)._replace(city=True))
        await asyncio.sleep(0.05)
        pull = next(
            one for one in reader.client.elements.values() if one.props.get("data-drill") == "90020000/1"
        )
        assert pull.text == "Pull 1"
        await reader.press(pull)
        assert pull.text == "Plug in 1"
        await reader.press(pull)
        whole = next(
            one for one in reader.client.elements.values() if one.props.get("data-drill") == "90030000/all"
        )
        await reader.press(whole)
        assert whole.text == "Plug it in" and [one.text for one in reader.elements("out")][1:] == [
            "Plug in 1",
            "Plug in 2",
        ]
        kill = reader.named("Kill the node (kill -9)")
        await reader.press(kill)
        assert kill.text == "Press again to confirm" and "kill" not in [do for do, *_ in ordered]
        await reader.press(kill)
        told = [one for one in ordered if one[0] != "state"]
        assert told == [
            ("pull", "90020000", 0),
            ("plug", "90020000", 0),
            ("pull", "90030000", None),
            ("kill", None, None),
        ]

    looked_at(puppet, "en", script)


class SlowCity:
    """Answers when it is told to, in any order; what it says is how it was when it was asked."""

    def __init__(self, puppet):
        self._puppet, self.waiting = puppet, []

    async def __call__(self, folder, do, **more):
        answer = asyncio.get_running_loop().create_future()
        self.waiting.append((do, answer))
        said = self._puppet.do({"do": "state"}) if do == "state" else {}
        await answer
        return said

    async def answers(self, do):
        """The first order of the name that waits."""
        for _ in range(100):
            if found := next((one for one in self.waiting if one[0] == do), None):
                self.waiting.remove(found)
                found[1].set_result(None)
                await asyncio.sleep(0.05)
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"nobody asked {do}")


def test_a_late_answer_of_the_city_undoes_no_other_button(puppet, monkeypatch):
    city = SlowCity(puppet)
    monkeypatch.setattr(room, "order", city)

    async def script(reader):
        def drill(name):
            return next(one for one in reader.client.elements.values() if one.props.get("data-drill") == name)

        reader.page.show(again(reader)._replace(city=True))  # asks how the cables are: all are whole
        await asyncio.sleep(0.05)
        await reader.press(drill("90020000/1"))
        await reader.press(drill("90030000/1"))
        await city.answers("pull")
        assert [drill(name).text for name in ("90020000/1", "90030000/1")] == ["Plug in 1", "Pull 1"]
        await city.answers("state")  # asked before either was pulled
        assert [drill(name).text for name in ("90020000/1", "90030000/1")] == ["Plug in 1", "Pull 1"]
        await city.answers("pull")
        assert [drill(name).text for name in ("90020000/1", "90030000/1")] == ["Plug in 1", "Plug in 1"]
        assert "90020000/2" in [one.props.get("data-drill") for one in reader.elements("plain")]

    looked_at(puppet, "en", script)
