"""The words every level shares: amounts, cards, codes, moments, bounds, errors."""
