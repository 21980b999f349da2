"""What of a ticket hangs on the source: colour, size, region and resolution of each side."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from device.errors import InvalidArgs
from device.model.capabilities import (
    ADF_DUPLEX,
    Range,
    ScannerConfiguration,
    SideCapabilities,
)
from device.model.ticket import (
    DocumentParameters,
    Final,
    FinalSide,
    ScanTicket,
    SideWish,
    Size,
    Wish,
)
from device.scan.leaves import Leaves, honored, inherit, nearest, nearest_color, value
from device.scan.regions import region_of_detected, resolve_region

PageSize = Callable[[str], Size | None]
"""InputSource → the size of its next page, None where that is not known."""


class SideRules(Leaves):
    """Decides the settings of MediaFront and MediaBack."""

    def __init__(
        self,
        ticket: ScanTicket,
        configuration: ScannerConfiguration,
        default: ScanTicket,
        feeder_loaded: bool,
        page_size: PageSize | None = None,
    ) -> None:
        super().__init__()
        assert default.parameters is not None
        self.ticket = ticket
        self.wishes = ticket.parameters or DocumentParameters()
        self.default = default.parameters
        self.configuration = configuration
        self.settings = configuration.settings
        self.feeder_loaded = feeder_loaded
        self.page_size = page_size
        self.detect_within: Size | None = None

    # ---- colour and format

    def colors(
        self, source: str, format_: Final[str], sides: tuple[SideWish, ...]
    ) -> tuple[Final[str], list[Final[str]]]:
        """The colour mode of each side, front first, and the format if it is that which gives way.

        A format that was not asked for gives way to any colour that was; one that was, only to a
        colour that must be honored.
        """
        default = value((self.default.front or SideWish()).color_processing)
        found = []
        for back, wish in enumerate(sides):
            allowed = list(self.configuration.side(source, back=bool(back)).colors)
            usual = default if default in allowed else allowed[0]
            found.append(
                self.leaf(
                    "ColorProcessing",
                    wish.color_processing,
                    usual,
                    allowed.__contains__,
                    functools.partial(nearest_color, allowed=allowed, usual=usual),
                )
            )
        holding = self._format_for(source, format_, sides, found)
        for back, (wish, color) in enumerate(zip(sides, found, strict=True)):
            asked = wish.color_processing
            held = self._held(source, holding.value, back=bool(back))
            if color.value not in held:
                color = replace(color, value=nearest_color(color.value, held))
                if asked is not None:
                    color = Final(color.value, override=True)
                    self.replaced("ColorProcessing", asked)
                    if asked.must_honor and honored(self.wishes.format):
                        self.conflicts += ["Format", "ColorProcessing"]
                found[back] = color
            if color.override and asked is not None:
                put = replace(asked, value=color.value)
                self.repair_side(bool(back), color_processing=put)
        return holding, found

    def _held(self, source: str, format_: str, *, back: bool) -> list[str]:
        """The colours of one side that `format_` can hold."""
        colors = self.configuration.side(source, back=back).colors
        holds = self.configuration.format_colors.get(format_)
        return [color for color in colors if holds is None or color in holds]

    def _format_for(
        self,
        source: str,
        format_: Final[str],
        sides: tuple[SideWish, ...],
        found: list[Final[str]],
    ) -> Final[str]:
        """`format_`, or another one that holds what must be held."""
        asked = self.wishes.format

        def fits(candidate: str, *, all_wishes: bool) -> bool:
            for back, wish in enumerate(sides):
                held = self._held(source, candidate, back=bool(back))
                binding = honored(wish.color_processing) or (all_wishes and wish.color_processing)
                if not held or (binding and found[back].value not in held):
                    return False
            return True

        if fits(format_.value, all_wishes=asked is None):
            return format_
        none_at_all = not all(
            self._held(source, format_.value, back=bool(back)) for back in range(len(sides))
        )
        if honored(asked) and not none_at_all:
            return format_
        for strict in (True, False):
            for candidate in self.settings.formats:
                if fits(candidate, all_wishes=strict):
                    if asked is None:
                        return replace(format_, value=candidate)
                    if honored(asked):
                        self.conflicts += ["Format", "InputSource"]
                    self.changed.append("Format")
                    self.repairs["format"] = replace(asked, value=candidate)
                    return Final(candidate, override=True)
        if len(sides) > 1:
            self.conflicts += ["ColorProcessing", "MediaBack"]
        return format_

    # ---- size, region and resolution

    def media_size(self, source: str) -> tuple[Final[int], Final[int]]:
        """InputMediaSize; with auto-detection on, the detected one.

        Where none is known yet, the greatest that the source takes stands for it.
        """
        side = self.configuration.side(source)
        width, height = self.wishes.media_width, self.wishes.media_height
        default_width = min(value(self.default.media_width), side.maximum.width_mil)
        default_height = min(value(self.default.media_height), side.maximum.height_mil)
        detect = self.wishes.document_size_auto_detect
        if detect is not None and detect.value:
            if self.settings.document_size_auto_detect:
                if detect.must_honor and honored(width):
                    self.conflicts += ["DocumentSizeAutoDetect", "InputMediaSize"]
                self.detect_within = most = side.maximum
                found = (self.page_size and self.page_size(source)) or most
                return (
                    Final(min(found.width_mil, most.width_mil), override=True),
                    Final(min(found.height_mil, most.height_mil), override=True),
                )
            self.replaced("DocumentSizeAutoDetect", detect)
            self.repairs["document_size_auto_detect"] = None
            if width is None or height is None:
                self.repairs["media_width"] = Wish(default_width)
                self.repairs["media_height"] = Wish(default_height)
                return (
                    Final(default_width, override=True),
                    Final(default_height, override=True),
                )
        return (
            self.ranged(
                "InputMediaSize",
                width,
                default_width,
                Range(side.minimum.width_mil, side.maximum.width_mil),
                "media_width",
            ),
            self.ranged(
                "InputMediaSize",
                height,
                default_height,
                Range(side.minimum.height_mil, side.maximum.height_mil),
                "media_height",
            ),
        )

    def sides(self, source: str) -> tuple[SideWish, ...]:
        """What is asked for each side that there is: only a duplex feeder has a back.

        What the back leaves out is as at the front.
        """
        front, back = self.wishes.front or SideWish(), self.wishes.back
        if source == ADF_DUPLEX:
            return front, inherit(back or SideWish(), front)
        if back is not None:
            self.repairs["back"] = None
        if back is not None and self.wishes.sides_must_honor:
            if honored(self.wishes.input_source):
                self.conflicts += ["InputSource", "MediaBack"]
            self.changed.append("MediaBack")
            self.rejected.append(InvalidArgs("MediaBack", f"does not go with {source}"))
        return (front,)

    def side(
        self,
        source: str,
        wish: SideWish,
        color: Final[str],
        media_width: Final[int],
        media_height: Final[int],
        *,
        back: bool = False,
    ) -> FinalSide:
        """Region and resolution of one side, beside its colour mode."""
        capabilities = self.configuration.side(source, back=back)
        default = self.default.front or SideWish()
        if self.detect_within is None:
            region = resolve_region(wish.region, media_width, media_height, capabilities.maximum)
        else:
            region = region_of_detected(wish.region, media_width, media_height)
        self.changed += region.changed
        self.rejected += region.rejected
        if region.repaired is not None:
            self.repair_side(back, region=region.repaired)
        width, height = self._resolution(wish, capabilities, default)
        if width.override or height.override:
            asked = wish.resolution_width or wish.resolution_height
            put = {"resolution_width": Wish(width.value, honored(asked))}
            if wish.resolution_height is not None or height.value != width.value:
                put["resolution_height"] = Wish(height.value, honored(asked))
            self.repair_side(back, **put)
        return FinalSide(region.final, color, width, height)

    def _resolution(
        self, wish: SideWish, capabilities: SideCapabilities, default: SideWish
    ) -> tuple[Final[int], Final[int]]:
        """Both resolutions; a missing height is the width's."""
        asked_height = wish.resolution_height or wish.resolution_width
        return (
            self.leaf(
                "Resolution",
                wish.resolution_width,
                nearest(value(default.resolution_width), capabilities.widths),
                capabilities.widths.__contains__,
                lambda asked: nearest(asked, capabilities.widths),
            ),
            self.leaf(
                "Resolution",
                asked_height,
                nearest(value(default.resolution_height), capabilities.heights),
                capabilities.heights.__contains__,
                lambda asked: nearest(asked, capabilities.heights),
            ),
        )

    def repair_side(self, back: bool, **fields: object) -> None:
        """Note replaced settings of one side that belong together.

        What the back has from the front is mended there, if that was wrong there as well.
        """
        if not back:
            front = self.repairs.get("front") or self.wishes.front
            if isinstance(front, SideWish):
                self.repairs["front"] = replace(front, **fields)  # type: ignore[arg-type]
            return
        own, front = self.wishes.back or SideWish(), self.wishes.front
        mended = self.repairs.get("front", front)
        inherited = all(getattr(own, name) is None for name in fields)
        if inherited and any(getattr(mended, n, None) != getattr(front, n, None) for n in fields):
            return
        side = self.repairs.get("back") or own
        assert isinstance(side, SideWish)
        self.repairs["back"] = replace(side, **fields)  # type: ignore[arg-type]
