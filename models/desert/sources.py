"""The data sets that models are made from, as their manifests name them; the numbers of stays are filled in."""

from typing import Final

from models.artefact import DataSource

CINC2019: Final = DataSource(
    name="PhysioNet/CinC Challenge 2019",
    licence="CC BY 4.0",
    source="Reyna et al., Crit Care Med 2020;48:210-217; PhysioNet challenge-2019 1.0.0",
    stays={},
)
CINC2012: Final = DataSource(
    name="PhysioNet/CinC Challenge 2012",
    licence="ODC-BY 1.0",
    source="Silva et al., Comput Cardiol 2012;39:245-248; PhysioNet challenge-2012 1.0.0, sets a and b",
    stays={},
)
