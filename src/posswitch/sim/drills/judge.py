"""Whether what diagnosis says is what was played: cause, kind and place."""

from collections.abc import Sequence

from posswitch.diagnose.incident import Incident
from posswitch.sim.drills.drill import Drill
from posswitch.sim.drills.scene import Place, Scene

# What is known of a place by its narrower name already.
_IMPLIED = {
    "link": ("bank",),
    "bin": ("bank",),
    "terminal": ("merchant", "model", "region", "source"),
    "merchant": ("region", "source"),
}
_NO_PLACE = ("node",)


def narrow(place: Place) -> Place:
    """A place without what its narrowest names say as well."""
    said = {name: value for name, value in place.items() if name not in _NO_PLACE}
    implied = [wider for name in said for wider in _IMPLIED.get(name, ())]
    return {name: value for name, value in said.items() if name not in implied}


def right_places(drill: Drill, scene: Scene) -> list[Place]:
    """Every place that is a right answer."""
    return [narrow(scene.place(where)) for where in (drill.where, *drill.wider)]


def is_of_kind(drill: Drill, incident: Incident) -> bool:
    """Whether an incident names the kind, or one that nobody can tell from it."""
    return incident.kind in (drill.kind, *drill.alike)


def is_there(drill: Drill, scene: Scene, incident: Incident) -> bool:
    """Whether an incident names a right place, perhaps with what all requests of the drill are."""
    place = {dim: value for dim, value in incident.place.items() if (dim, value) not in drill.does}
    return narrow(place) in right_places(drill, scene)


def is_right(drill: Drill, scene: Scene, incident: Incident) -> bool:
    """Whether both are right."""
    return is_of_kind(drill, incident) and is_there(drill, scene, incident)


def likeliest(incidents: Sequence[Incident], places: Sequence[Place]) -> Incident | None:
    """Of several the one that people would look at: at the right place, then the surest."""
    return max(
        incidents,
        key=lambda one: (narrow(one.place) in places, bool(one.kind), one.probability, -one.number),
        default=None,
    )
