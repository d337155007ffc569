"""A table of findings: what plants each of them on a site."""


class Cases(dict):
    """Functions by the name of the finding that they plant."""

    def of(self, *names):
        """Marks what plants the findings of these names."""

        def kept(plant):
            self.update(dict.fromkeys(names, plant))
            return plant

        return kept
