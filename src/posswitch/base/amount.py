"""Money is an integer number of minor units and an ISO 4217 numeric currency."""

CNY = "156"
_DECIMALS = {"156": 2, "344": 2, "840": 2, "392": 0, "410": 0}
_SYMBOLS = {"156": "CNY", "344": "HKD", "840": "USD", "392": "JPY", "410": "KRW"}
CURRENCIES = tuple(_DECIMALS)  # whose amounts can be shown
AMOUNT_MINOR_MAX = 10**12 - 1  # field 4 is n12


def amount_text(amount_minor: int, currency: str = CNY) -> str:
    """`12345, "156"` → `CNY 123.45`; an unknown currency is shown in minor units."""
    if currency not in _DECIMALS:
        return f"{currency} {amount_minor} minor"
    decimals = _DECIMALS[currency]
    sign = "-" if amount_minor < 0 else ""
    whole, part = divmod(abs(amount_minor), 10**decimals)
    text = f"{whole}.{part:0{decimals}d}" if decimals else str(whole)
    return f"{_SYMBOLS[currency]} {sign}{text}"
