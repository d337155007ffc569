"""A writer to be killed: sales and answers in small transactions, acknowledged once durable."""

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from world import World


def main(folder: Path) -> None:
    """Writes until killed; every line is the last record of a committed transaction."""
    world = World(folder)
    batch = f"{world.state.seq:06d}"  # no key of an earlier writer
    print(world.state.seq, flush=True)
    for turn in count():
        world.sale(f"card {turn % 50}", batch=batch)
        print(world.state.seq, flush=True)
        for card in range(turn % 4):
            world.submit(world.request(f"card {card}", batch=batch), world.request(batch=batch))
        answers = [world.answer_of("00", asked) for asked in list(world.asked.values())[-3:]]
        world.submit(*answers)
        print(world.state.seq, flush=True)
        if turn % 20 == 0:
            world.journal.snapshot(world.state)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
