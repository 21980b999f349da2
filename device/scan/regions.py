"""ScanRegion: what of the area asked for can be scanned.

The region is judged against what the source reaches, not against InputMediaSize: sane-airscan
sends a media size equal to the region's, with offsets added (ws-scan section 17.2).

Source: ws-scan section 10.4, "Region rules".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from device.errors import InvalidArgs
from device.model.ticket import Final, FinalRegion, RegionWish, Size, Wish


@dataclass(frozen=True, slots=True)
class ResolvedRegion:
    """The area that will be scanned, and what of the wish could not be."""

    final: FinalRegion
    changed: list[str]
    rejected: list[InvalidArgs]
    repaired: RegionWish | None


@dataclass(frozen=True, slots=True)
class _Span:
    """One axis: an offset, an extent, and whether they were changed."""

    offset: Final[int]
    extent: Final[int]


def resolve_region(
    wish: RegionWish | None, media_width: Final[int], media_height: Final[int], reach: Size
) -> ResolvedRegion:
    """Fit the region into `reach`.

    Without a region, the whole media is scanned. A region wholly outside is rejected whatever
    MustHonor says; one partly outside is cut, unless that must not be.
    """
    wish = wish or RegionWish()
    outside = _outside(wish, reach)
    basis = RegionWish() if outside else wish
    x = _span(basis.x_offset, basis.width, media_width.value, reach.width_mil)
    y = _span(basis.y_offset, basis.height, media_height.value, reach.height_mil)
    changed: list[str] = ["ScanRegion"] if outside else []
    rejected = (
        [InvalidArgs("ScanRegion", "lies outside of what the scanner reaches")] if outside else []
    )
    for name, asked, final in (
        ("ScanRegionXOffset", wish.x_offset, x.offset),
        ("ScanRegionYOffset", wish.y_offset, y.offset),
        ("ScanRegionWidth", wish.width, x.extent),
        ("ScanRegionHeight", wish.height, y.extent),
    ):
        if asked is not None and final.override:
            changed.append(name)
            if asked.must_honor:
                rejected.append(InvalidArgs(name, "is not supported", str(asked.value)))
    return ResolvedRegion(
        final=FinalRegion(x.offset, y.offset, x.extent, y.extent),
        changed=changed,
        rejected=rejected,
        repaired=_repaired(wish, x, y) if changed else None,
    )


def region_of_detected(
    wish: RegionWish | None, media_width: Final[int], media_height: Final[int]
) -> ResolvedRegion:
    """Fit the region onto a page whose size was detected: one that reaches beyond it is ignored."""
    size = Size(media_width.value, media_height.value)
    if wish is None or not _is_area(wish) or not _reaches_beyond(wish, size):
        return resolve_region(wish, media_width, media_height, size)

    def put(asked: Wish[int] | None, value: int) -> Final[int]:
        if asked is None:
            return Final(value, used_default=True)
        return Final(value, override=asked.value != value)

    whole = FinalRegion(
        x_offset=put(wish.x_offset, 0),
        y_offset=put(wish.y_offset, 0),
        width=put(wish.width, size.width_mil),
        height=put(wish.height, size.height_mil),
    )
    return ResolvedRegion(whole, changed=[], rejected=[], repaired=None)


def _is_area(wish: RegionWish) -> bool:
    offsets = (wish.x_offset, wish.y_offset)
    extents = (wish.width, wish.height)
    return all(one is None or one.value >= 0 for one in offsets) and all(
        one is None or one.value >= 1 for one in extents
    )


def _reaches_beyond(wish: RegionWish, size: Size) -> bool:
    for offset, extent, limit in (
        (wish.x_offset, wish.width, size.width_mil),
        (wish.y_offset, wish.height, size.height_mil),
    ):
        if (offset.value if offset else 0) + (extent.value if extent else 1) > limit:
            return True
    return False


def _outside(wish: RegionWish, reach: Size) -> bool:
    for offset, extent, limit in (
        (wish.x_offset, wish.width, reach.width_mil),
        (wish.y_offset, wish.height, reach.height_mil),
    ):
        start = offset.value if offset else 0
        if start >= limit or (extent is not None and 0 < extent.value <= -start):
            return True
    return False


def _span(offset: Wish[int] | None, extent: Wish[int] | None, media: int, limit: int) -> _Span:
    if offset is None:
        start = Final(0, used_default=True)
    else:
        put = min(max(offset.value, 0), limit - 1)
        start = Final(put, override=put != offset.value)
    rest = limit - start.value
    if extent is None:
        whole = min(media - start.value if media > start.value else media, rest)
        return _Span(start, Final(whole, used_default=True))
    before = min(0, offset.value) if offset else 0
    put = min(extent.value + before, rest) if extent.value >= 1 else min(media, rest)
    return _Span(start, Final(put, override=put != extent.value))


def _repaired(wish: RegionWish, x: _Span, y: _Span) -> RegionWish:
    def put(asked: Wish[int] | None, final: Final[int]) -> Wish[int] | None:
        return None if asked is None else replace(asked, value=final.value)

    return RegionWish(
        x_offset=put(wish.x_offset, x.offset),
        y_offset=put(wish.y_offset, y.offset),
        width=put(wish.width, x.extent),
        height=put(wish.height, y.extent),
    )
