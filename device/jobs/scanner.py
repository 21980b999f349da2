"""Idle, Processing, Stopped, and the conditions behind them. Pure: time goes in.

Source: ws-scan sections 10.3 and 12.6 to 12.10.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from device.model.status import (
    UNPLUGGED,
    ClearedCondition,
    ConditionName,
    DeviceCondition,
    ScannerState,
    ScannerStateReason,
    ScannerStatus,
    Severity,
)

HISTORY = 16
"""Entries of the condition history (ws-scan section 18, point 21)."""

_REASONS = frozenset(ScannerStateReason)
_SEVERITIES: dict[str, Severity] = {
    ConditionName.CALIBRATING: Severity.WARNING,
    ConditionName.LAMP_WARMING: Severity.WARNING,
    ConditionName.INPUT_TRAY_EMPTY: Severity.INFORMATIONAL,
}


def usual_severity(name: str) -> Severity:
    """Critical, but for what passes by itself or hinders nobody."""
    return _SEVERITIES.get(name, Severity.CRITICAL)


def reason_of(condition: DeviceCondition) -> ScannerStateReason | None:
    """What a condition gives as the reason of the scanner's state.

    An empty feeder is none (ws-scan section 10.3). A vendor's keyword would be shown raw, so it
    becomes the neutral one, if somebody has to act at all (section 15).
    """
    if condition.name == ConditionName.INPUT_TRAY_EMPTY:
        return None
    if condition.name in _REASONS:
        return ScannerStateReason(condition.name)
    critical = condition.severity is Severity.CRITICAL
    return ScannerStateReason.ATTENTION_REQUIRED if critical else None


class Scanner:
    """The scanner's conditions, numbered from 1 and never numbered again."""

    def __init__(self) -> None:
        self._active: dict[int, DeviceCondition] = {}
        self._history: tuple[ClearedCondition, ...] = ()
        self._last_id = 0
        self._paused = False
        self._changed()

    def raise_condition(
        self, name: str, component: str, now: datetime, severity: Severity | None = None
    ) -> DeviceCondition | None:
        """Add a condition; None if this component has it already."""
        if self.find(name, component) is not None:
            return None
        self._last_id += 1
        severity = severity or usual_severity(name)
        condition = DeviceCondition(self._last_id, now, name, component, severity)
        self._active[condition.condition_id] = condition
        self._changed()
        return condition

    def clear_condition(self, condition_id: int, now: datetime) -> ClearedCondition | None:
        """Remove a condition; None if it is not there."""
        condition = self._active.pop(condition_id, None)
        if condition is None:
            return None
        cleared = ClearedCondition(condition, now)
        self._history = (cleared, *self._history)[:HISTORY]
        self._changed()
        return cleared

    def find(self, name: str, component: str) -> DeviceCondition | None:
        """The active condition of that name at that component."""
        for condition in self._active.values():
            if condition.name == name and condition.component == component:
                return condition
        return None

    @property
    def unplugged(self) -> bool:
        """Whether there is nothing to scan with."""
        return any(condition.name == UNPLUGGED for condition in self._active.values())

    def stopped_besides(self, conditions: Collection[int]) -> bool:
        """Whether scanning could not go on if these conditions were gone."""
        return self._paused or any(
            condition.severity is Severity.CRITICAL
            for number, condition in self._active.items()
            if number not in conditions
        )

    def pause(self, *, paused: bool) -> None:
        """Stop the scanner from outside, or let it go on."""
        self._paused = paused
        self._changed()

    def status(self, *, busy: bool) -> ScannerStatus:
        """The scanner's status; `busy` tells that some job is not finished."""
        return self._busy if busy else self._idle

    def _changed(self) -> None:
        """Work out what is asked far more often than it changes."""
        self.stopped = self.stopped_besides(())
        """Whether scanning cannot go on until somebody acts."""
        found = (reason_of(condition) for condition in self._active.values())
        reasons = [reason for reason in found if reason is not None]
        if self._paused:
            reasons.append(ScannerStateReason.PAUSED)
        self._idle = ScannerStatus(
            state=ScannerState.STOPPED if self.stopped else ScannerState.IDLE,
            reasons=tuple(dict.fromkeys(reasons)) or (ScannerStateReason.NONE,),
            conditions=tuple(self._active.values()),
            history=self._history,
        )
        busy = ScannerState.STOPPED if self.stopped else ScannerState.PROCESSING
        self._busy = replace(self._idle, state=busy)
