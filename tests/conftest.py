"""What every test shares: fixtures, and the rule that nothing is skipped in CI."""

import sys
from pathlib import Path

# `from clients.wsscan import Client`, `from support.lab import Lab`: the tests' own helpers. Not
# the repository's root: what is tested is the installed package, never the checkout.
sys.path.insert(0, str(Path(__file__).parent))
