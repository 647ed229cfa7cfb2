"""An hour of emissions told line by line, from what is kept with it."""

from services.domain.explained.hour import lines
from services.domain.explained.kept import Kept, Line, QuantityHour, StackItem

__all__ = ["Kept", "Line", "QuantityHour", "StackItem", "lines"]
