"""The trainer's own arguments: `--name`, `--name value`, `--name value value …`, as the plan renders them."""

from __future__ import annotations


class Arguments:
    """Arguments by name. A name that is absent has the default that the caller gives."""

    def __init__(self, words: list[str]):
        self._values: dict[str, list[str]] = {}
        values: list[str] = []
        for word in words:
            if word.startswith("--") and len(word) > 2:
                name, equals, value = word[2:].partition("=")
                values = [value] if equals else []
                self._values[name] = values
            else:
                values.append(word)

    def flag(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[0] if values else None

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise ValueError(f"--{name} is missing")
        return value

    def words(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def number(self, name: str) -> float | None:
        value = self.text(name)
        return None if value is None else float(value)

    def integer(self, name: str) -> int | None:
        value = self.text(name)
        return None if value is None else int(value)

    def steps(self, name: str, total: int) -> int:
        """A number of steps: an integer, or a fraction of all steps below 1 (`lr_warmup_steps`)."""
        value = self.text(name)
        if value is None:
            return 0
        share = float(value[:-1]) / 100 if value.endswith("%") else float(value)
        return int(share) if share >= 1 else int(share * total)

    def shown(self, name: str, default: str = "None") -> str:
        """As the trainer's metadata shows it."""
        return self.text(name) or default
