"""What of a ticket hangs on the source: colour, size, region and resolution of each side."""

from __future__ import annotations

from dataclasses import replace

from device.errors import InvalidArgs
from device.model.capabilities import ADF_DUPLEX, Range, ScannerConfiguration
from device.model.ticket import (
    DocumentParameters,
    Final,
    FinalSide,
    ScanTicket,
    SideWish,
    Wish,
)
from device.scan.leaves import Leaves, honored, inherit, nearest, nearest_color, value
from device.scan.regions import resolve_region


class SideRules(Leaves):
    """Decides the settings of MediaFront and MediaBack."""

    def __init__(
        self,
        ticket: ScanTicket,
        configuration: ScannerConfiguration,
        default: ScanTicket,
        feeder_loaded: bool,
    ) -> None:
        super().__init__()
        assert default.parameters is not None
        self.ticket = ticket
        self.wishes = ticket.parameters or DocumentParameters()
        self.default = default.parameters
        self.configuration = configuration
        self.settings = configuration.settings
        self.feeder_loaded = feeder_loaded

    def color(
        self, source: str, format_: Final[str], wish: SideWish, *, back: bool
    ) -> tuple[Final[str], Final[str]]:
        """The colour mode, and the format if it is that which gives way."""
        side = self.configuration.side(source, back=back)
        asked = wish.color_processing
        default_side = self.default.front or SideWish()
        color = self.listed(
            "ColorProcessing", asked, value(default_side.color_processing), side.colors, ""
        )
        if color.override:
            self.repair_side(back, color_processing=Wish(color.value, honored(asked)))
        holds = self.configuration.format_colors
        if color.value in holds.get(format_.value, side.colors):
            return format_, color
        format_wish = self.wishes.format
        if asked is not None and asked.must_honor and not back:
            if honored(format_wish):
                self.conflicts += ["Format", "ColorProcessing"]
            else:
                for candidate in self.settings.formats:
                    if color.value in holds.get(candidate, side.colors):
                        if format_wish is None:
                            return replace(format_, value=candidate), color
                        self.changed.append("Format")
                        self.repairs["format"] = replace(format_wish, value=candidate)
                        return Final(candidate, override=True), color
        put = nearest_color(color.value, [c for c in side.colors if c in holds[format_.value]])
        if asked is None:
            return format_, Final(put, used_default=True)
        self.replaced("ColorProcessing", asked)
        self.repair_side(back, color_processing=replace(asked, value=put))
        return format_, Final(put, override=True)

    def media_size(self, source: str) -> tuple[Final[int], Final[int]]:
        """InputMediaSize; with auto-detection on, the size that is taken for detected."""
        side = self.configuration.side(source)
        width, height = self.wishes.media_width, self.wishes.media_height
        default_width = min(value(self.default.media_width), side.maximum.width_mil)
        default_height = min(value(self.default.media_height), side.maximum.height_mil)
        detect = self.wishes.document_size_auto_detect
        if detect is not None and detect.value:
            if self.settings.document_size_auto_detect:
                if detect.must_honor and honored(width):
                    self.conflicts += ["DocumentSizeAutoDetect", "InputMediaSize"]
                return (
                    Final(side.maximum.width_mil, override=True),
                    Final(side.maximum.height_mil, override=True),
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
                "Width",
                width,
                default_width,
                Range(side.minimum.width_mil, side.maximum.width_mil),
                "media_width",
            ),
            self.ranged(
                "Height",
                height,
                default_height,
                Range(side.minimum.height_mil, side.maximum.height_mil),
                "media_height",
            ),
        )

    def back(
        self,
        source: str,
        format_: Final[str],
        front: FinalSide,
        media_width: Final[int],
        media_height: Final[int],
    ) -> FinalSide | None:
        """MediaBack: only a duplex feeder has one; absent there, it is the front's."""
        wish = self.wishes.back
        if source != ADF_DUPLEX:
            if wish is not None and self.wishes.sides_must_honor:
                if honored(self.wishes.input_source):
                    self.conflicts += ["InputSource", "MediaBack"]
                self.changed.append("MediaBack")
                self.rejected.append(InvalidArgs("MediaBack", f"does not go with {source}"))
                self.repairs["back"] = None
            return None
        if wish is None:
            return front
        merged = inherit(wish, self.wishes.front)
        _, color = self.color(source, format_, merged, back=True)
        return self.side(source, merged, color, media_width, media_height, back=True)

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
        region = resolve_region(wish.region, media_width, media_height, capabilities.maximum)
        self.changed += region.changed
        self.rejected += region.rejected
        if region.repaired is not None:
            self.repair_side(back, region=region.repaired)
        width = self.leaf(
            "Width",
            wish.resolution_width,
            nearest(value(default.resolution_width), capabilities.widths),
            capabilities.widths.__contains__,
            lambda asked: nearest(asked, capabilities.widths),
        )
        if wish.resolution_width is not None and wish.resolution_height is None:
            height = Final(width.value, override=width.override)
            if width.value not in capabilities.heights:
                height = Final(nearest(width.value, capabilities.heights), override=True)
        else:
            height = self.leaf(
                "Height",
                wish.resolution_height,
                nearest(value(default.resolution_height), capabilities.heights),
                capabilities.heights.__contains__,
                lambda asked: nearest(asked, capabilities.heights),
            )
        if width.override or height.override:
            self.repair_side(
                back,
                resolution_width=Wish(width.value, honored(wish.resolution_width)),
                resolution_height=Wish(height.value, honored(wish.resolution_height)),
            )
        return FinalSide(region.final, color, width, height)

    def repair_side(self, back: bool, **fields: object) -> None:
        """Note replaced settings of one side."""
        name = "back" if back else "front"
        side = self.repairs.get(name) or (self.wishes.back if back else self.wishes.front)
        if isinstance(side, SideWish):
            self.repairs[name] = replace(side, **fields)  # type: ignore[arg-type]
