"""One direction of a TCP connection from recorded segments: repeats, overlaps and disorder put right."""

Segment = tuple[int, bytes]  # sequence number of the first byte, payload

_WRAP = 1 << 32
_HALF = 1 << 31
RUN_BYTES_MAX = 1 << 24


def reassemble(segments: list[Segment]) -> list[bytes]:
    """The bytes in order (RFC 9293); a gap begins a new run; at most RUN_BYTES_MAX bytes of a direction."""
    if not segments:
        return []
    base = segments[0][0]
    placed = sorted(_placed(segments, base), key=lambda row: row[:2])
    runs: list[bytearray] = [bytearray()]
    end, total = placed[0][0], 0
    for start, _, data in placed:
        if start > end:
            runs.append(bytearray())
            end = start
        fresh = data[end - start :][: RUN_BYTES_MAX - total]
        runs[-1] += fresh
        total += len(fresh)
        end = max(end, start + len(data))
    return [bytes(run) for run in runs if run]


def _placed(segments: list[Segment], base: int) -> list[tuple[int, int, bytes]]:
    """(distance from the first, order of arrival, payload), sequence numbers unwrapped."""
    return [
        ((sequence - base + _HALF) % _WRAP - _HALF, order, data)
        for order, (sequence, data) in enumerate(segments)
        if data
    ] or [(0, 0, b"")]
