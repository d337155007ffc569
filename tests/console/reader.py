"""Somebody in front of the page, without a browser."""

import asyncio
import json

from nicegui import Client
from nicegui.testing.user_simulation import user_simulation
from puppet import watching

from posswitch.console.page import House, Page
from posswitch.console.runner import Runner
from posswitch.console.sessions import Sessions
from posswitch.settings.clock import SystemClock


class Reader:
    """Somebody in front of the page."""

    def __init__(self, user, page, client):
        self.user, self.page, self.client = user, page, client

    def elements(self, name):
        return [one for one in self.client.elements.values() if name in one.classes]

    def text(self, name):
        return self.elements(name)[0].text

    def whole(self):
        return "\n".join(getattr(one, "text", "") or "" for one in self.client.elements.values())

    async def press(self, element, *said):
        args = [json.dumps(one) for one in said]
        for listener in list(element._event_listeners.values()):
            if listener.type in ("click", "submit"):
                self.client.handle_event({"id": element.id, "listener_id": listener.id, "args": args})
        await asyncio.sleep(0.05)

    def named(self, label):
        return next(one for one in self.client.elements.values() if getattr(one, "text", "") == label)

    def tile(self, name):
        return next(one for one in self.client.elements.values() if one.props.get("data-tile") == name)


def looked_at(puppet, lang, script, *, logged_in=True):
    """Opens the page in a language and plays `script` with its reader."""

    async def play():
        clock = SystemClock()
        sessions = Sessions(clock.wall_ns, clock.entropy)
        session = sessions.known(sessions.begin(sessions.new_key())) if logged_in else None
        path = puppet.config.data.parent / "posswitch.toml"
        house = House(path, puppet.config, clock, watching(puppet), sessions, Runner())
        made = []

        def root():
            made.append(Page(house, lang, session))
            made[0].show(house.watch.look())

        async with user_simulation(root) as user:
            client = await user.open("/")
            reader = Reader(user, made[0], client)
            reader.house, reader.session = house, session
            try:
                await script(reader)
            finally:
                await house.runner.close()
                Client.page_routes.clear()

    asyncio.run(play())


def again(reader):
    """A second later."""
    scene = reader.house.watch.look()
    reader.page.show(scene)
    return scene
