"""What the device is: reads and checks one TOML. Not where it runs.

A profile can be read on its own: no inheritance, no code. Lengths in mil (1/1000 inch), resolutions
in pixels per inch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import profiles
from device.errors import ConfigError
from device.model.capabilities import (
    ADF_DUPLEX,
    ALPHA_COLORS,
    FILM,
    MULTI_PAGE_FORMATS,
    PLATEN,
    SINGLE_IMAGE_FORMATS,
    DeviceSettings,
    LocalText,
    Range,
    ScannerConfiguration,
    ScannerDescription,
    SideCapabilities,
)
from device.model.ticket import (
    DocumentParameters,
    JobDescription,
    RegionWish,
    ScanTicket,
    SideWish,
    Size,
    Wish,
)
from device.settings import Table, parse_toml, read_toml, suggestion

_FOLDER = Path(profiles.__path__[0])
# Not by importlib.resources: with it come zip files, half a megabyte for nothing.
MAX_URI = 2_048
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*")  # xs:language
CONTENT_TYPES = ("Auto", "Text", "Photo", "Halftone", "Mixed")
FILM_SCAN_MODES = ("ColorSlideFilm", "ColorNegativeFilm", "BlackandWhiteNegativeFilm")
MAX_MIL = 2**31 - 1
MAX_DPI = 9_600


@dataclass(frozen=True, slots=True)
class Model:
    """ThisModel, and what Windows chooses a driver by."""

    manufacturer: str
    manufacturer_url: str
    model_name: str
    model_number: str
    model_url: str
    device_category: tuple[str, ...]
    df_device_category: tuple[str, ...]
    hardware_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """Everything that a device claims of itself."""

    name: str
    summary: str
    model: Model
    friendly_name: str
    firmware_version: str
    serial_number: str
    description: ScannerDescription
    configuration: ScannerConfiguration
    default_ticket: ScanTicket


def shipped() -> tuple[str, ...]:
    """The names of the profiles that come with the program."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load(name: str, formats: Mapping[str, tuple[str, ...]]) -> Profile:
    """Read a profile: one that is shipped, by its name, or one of the user's, by its path.

    Args:
        formats: FormatValue → the colours that it can be made in, for every format there is.

    Raises:
        ConfigError: there is none of that name, or something in it is wrong.
    """
    if name in shipped():
        text = (_FOLDER / f"{name}.toml").read_text(encoding="utf-8")
        return read(parse_toml(text, f"profile {name}"), formats)
    path = Path(name)
    if "/" not in name and path.suffix != ".toml" and not path.exists():
        raise ConfigError(f"There is no profile {name!r}{suggestion(name, shipped())}")
    return read(read_toml(path), formats)


def read(document: Table, formats: Mapping[str, tuple[str, ...]]) -> Profile:
    """Check a profile and build it. Raises ConfigError for anything that is wrong."""
    name = document.text("name")
    summary = document.text("summary", "")
    model = _model(document.table("model"), document.table("pnpx"))
    device = document.table("device")
    friendly_name = _filled(device, "friendly_name")
    firmware_version = _filled(device, "firmware_version")
    serial_number = _filled(device, "serial_number")
    device.done()
    scanner = document.table("scanner")
    language = scanner.text("language", "en")
    if not _LANGUAGE.fullmatch(language):
        raise scanner.wrong("language", f"is {language!r}, and must be one such as en or de-CH")
    information, location = scanner.text("information", ""), scanner.text("location", "")
    configuration = _configuration(scanner, formats)
    scanner.done()
    ticket = _default_ticket(document.table("default_ticket"), configuration)
    document.done()

    def local(text: str) -> tuple[LocalText, ...]:
        return (LocalText(text, language),) if text else ()

    return Profile(
        name=name,
        summary=summary,
        model=model,
        friendly_name=friendly_name,
        firmware_version=firmware_version,
        serial_number=serial_number,
        description=ScannerDescription(local(friendly_name), local(information), local(location)),
        configuration=configuration,
        default_ticket=ticket,
    )


def _filled(table: Table, key: str, default: str | None = None) -> str:
    """A text that clients want to find: go-mfp drops a device without it."""
    text = table.text(key, default)
    if not text.strip():
        raise table.wrong(key, "is empty")
    return text


def _model(table: Table, pnpx: Table) -> Model:
    model = Model(
        manufacturer=_filled(table, "manufacturer"),
        manufacturer_url=table.text("manufacturer_url", "", limit=MAX_URI),
        model_name=_filled(table, "model_name"),
        model_number=_filled(table, "model_number", "1"),
        model_url=table.text("model_url", "", limit=MAX_URI),
        device_category=pnpx.texts("device_category", ("Scanners",)),
        df_device_category=pnpx.texts("df_device_category", ("Imaging.Scanner",)),
        hardware_ids=pnpx.texts("hardware_ids"),
    )
    for key in ("device_category", "df_device_category", "hardware_ids"):
        if any(not word or " " in word for word in getattr(model, key)):
            raise pnpx.wrong(key, "must hold words without blanks")
    table.done()
    pnpx.done()
    return model


def _configuration(table: Table, formats: Mapping[str, tuple[str, ...]]) -> ScannerConfiguration:
    colors = sorted({color for known in formats.values() for color in known})
    scaling = _range(table, "scaling", (100, 100), 1, 1000)
    if 100 not in scaling:
        raise table.wrong("scaling", "must include 100")
    settings = DeviceSettings(
        formats=_formats(table, formats),
        quality=_range(table, "quality", (0, 100), 0, 100),
        content_types=table.texts("content_types", ("Auto",), known=CONTENT_TYPES),
        document_size_auto_detect=table.boolean("document_size_auto_detect", False),
        auto_exposure=table.boolean("auto_exposure", False),
        brightness=table.boolean("brightness", True),
        contrast=table.boolean("contrast", True),
        sharpness=table.boolean("sharpness", False),
        scaling_width=scaling,
        scaling_height=scaling,
        rotations=table.integers("rotations", (0,), low=0, high=270),
    )
    if 0 not in settings.rotations or set(settings.rotations) - {0, 90, 180, 270}:
        raise table.wrong("rotations", "must hold 0, and may hold 90, 180 and 270")
    platen = _side(table.table("platen"), colors) if PLATEN.lower() in table else None
    adf_front, duplex = None, False
    if "adf" in table:
        adf = table.table("adf")
        duplex = adf.boolean("duplex", False)
        adf_front = _side(adf, colors)
    film: SideCapabilities | None = None
    modes: tuple[str, ...] = ()
    if "film" in table:
        unit = table.table("film")
        modes = unit.texts("modes", FILM_SCAN_MODES, known=FILM_SCAN_MODES)
        film = _side(unit, colors)
    if platen is None and adf_front is None:
        raise table.wrong("platen", "is missing, and so is adf: a scanner needs one of them")
    configuration = ScannerConfiguration(
        settings=settings,
        platen=platen,
        adf_front=adf_front,
        adf_back=adf_front if duplex else None,
        adf_duplex=duplex,
        film=film,
        film_scan_modes=modes,
        format_colors={name: frozenset(formats[name]) for name in settings.formats},
    )
    held = frozenset().union(*configuration.format_colors.values())
    for source in configuration.sources:
        for color in configuration.side(source).colors:
            if color not in held:
                raise table.wrong("formats", f"has none that can hold {color}")
    return configuration


def _formats(table: Table, made: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The formats of the profile that this machine can make: some need a library."""
    listed = table.texts("formats", known=SINGLE_IMAGE_FORMATS | MULTI_PAGE_FORMATS)
    found = tuple(name for name in listed if name in made)
    if not found:
        raise table.wrong("formats", "holds none that can be made on this machine")
    return found


def _side(table: Table, colors: list[str]) -> SideCapabilities:
    resolutions = table.integers("resolutions", low=1, high=MAX_DPI)
    optical = _pair(table, "optical_resolution", MAX_DPI)
    maximum = _pair(table, "maximum_size", MAX_MIL)
    minimum = _pair(table, "minimum_size", MAX_MIL)
    listed = table.texts("colors", known=colors)
    if ALPHA_COLORS.issuperset(listed):
        raise table.wrong("colors", "must hold one without alpha: not every page has it")
    side = SideCapabilities(
        optical_width=optical[0],
        optical_height=optical[1],
        widths=resolutions,
        heights=table.integers("resolutions_down", resolutions, low=1, high=MAX_DPI),
        colors=listed,
        minimum=Size(*minimum),
        maximum=Size(*maximum),
    )
    if minimum[0] > maximum[0] or minimum[1] > maximum[1]:
        raise table.wrong("minimum_size", "is larger than maximum_size")
    table.done()
    return side


def _pair(table: Table, key: str, high: int) -> tuple[int, int]:
    values = table.integers(key, low=1, high=high)
    if len(values) != 2:
        raise table.wrong(key, "must hold two numbers, width and height")
    return values[0], values[1]


def _range(table: Table, key: str, default: tuple[int, int], low: int, high: int) -> Range:
    values = table.integers(key, default, low=low, high=high)
    if len(values) != 2 or values[0] > values[1]:
        raise table.wrong(key, "must hold two numbers, the lower one first")
    return Range(*values)


def _default_ticket(table: Table, configuration: ScannerConfiguration) -> ScanTicket:
    """The complete default ticket; each value is one that the device itself would take."""
    settings = configuration.settings
    source = table.choice("source", configuration.sources, configuration.sources[0])
    side = configuration.side(source)
    format_ = table.choice("format", settings.formats, settings.formats[0])
    held = tuple(c for c in side.colors if c in configuration.format_colors[format_])
    if not held:
        raise table.wrong("format", f"is {format_!r}, which holds no colour that {source} has")
    color = table.choice("color", held, held[-1])
    both = tuple(width for width in side.widths if width in side.heights)
    resolution = table.integer("resolution", both[0] if both else None, low=1, high=MAX_DPI)
    if resolution not in both:
        listed = ", ".join(map(str, both))
        raise table.wrong("resolution", f"is {resolution}, and must be one of {listed}")
    size = (side.maximum.width_mil, side.maximum.height_mil)
    width, height = _pair(table, "media_size", MAX_MIL) if "media_size" in table else size
    if width > size[0] or height > size[1]:
        raise table.wrong("media_size", f"is larger than what {source} reaches")
    quality = table.integer(
        "quality", settings.quality.high, low=settings.quality.low, high=settings.quality.high
    )
    content_type = table.choice("content_type", settings.content_types, settings.content_types[0])
    job_name = table.text("job_name", "Scan")
    user, information = table.text("user_name", ""), table.text("job_information", "")
    table.done()
    sheet = SideWish(
        region=RegionWish(Wish(0), Wish(0), Wish(width), Wish(height)),
        color_processing=Wish(color),
        resolution_width=Wish(resolution),
        resolution_height=Wish(resolution),
    )
    return ScanTicket(
        description=JobDescription(job_name, user, information),
        parameters=DocumentParameters(
            format=Wish(format_),
            compression_quality_factor=Wish(quality),
            images_to_transfer=Wish(0),
            input_source=Wish(source),
            film_scan_mode=Wish(
                configuration.film_scan_modes[0] if source == FILM else "NotApplicable"
            ),
            content_type=Wish(content_type),
            media_width=Wish(width),
            media_height=Wish(height),
            contrast=Wish(0),
            brightness=Wish(0),
            sharpness=Wish(0),
            scaling_width=Wish(100),
            scaling_height=Wish(100),
            rotation=Wish(0),
            front=sheet,
            back=sheet if source == ADF_DUPLEX else None,
        ),
    )
