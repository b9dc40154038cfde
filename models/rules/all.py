"""Every rule that ships, in the order in which they are judged: critical results first, since others wait for them."""

from typing import Any, Final

from models.rules.aki import Aki
from models.rules.critical_result import CriticalResult
from models.rules.delta_check import DeltaCheck
from models.rules.haemoglobin_drop import HaemoglobinDrop
from models.rules.hyperkalaemia import Hyperkalaemia
from models.rules.kdigo import Kdigo
from models.rules.neutropenia_fever import NeutropeniaFever
from models.rules.news2 import News2
from models.rules.platelet_fall import PlateletFall
from models.rules.qsofa import Qsofa
from models.rules.shock_index import ShockIndex
from models.rules.sirs import Sirs
from models.rules.sofa import Sofa
from models.rules.table import Rule
from models.rules.toks import Toks

RULES: Final[tuple[type[Rule[Any]], ...]] = (
    News2,
    Toks,
    Qsofa,
    Sirs,
    ShockIndex,
    Sofa,
    CriticalResult,
    Aki,
    Kdigo,
    Hyperkalaemia,
    HaemoglobinDrop,
    NeutropeniaFever,
    PlateletFall,
    DeltaCheck,
)
