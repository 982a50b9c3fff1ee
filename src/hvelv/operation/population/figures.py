"""How many there are of everything: published figures for Norway, and those that are only chosen.

Calibrated, for each 5,500,000 persons and year:

* 55,000 live births and 44,000 deaths. Statistics Norway (SSB), StatBank table 05803 «Endringer i befolkningen i løpet av
  året»: 53,000 births and 40,600 deaths in 2020, 42,000 deaths in 2021; rounded to what the last ten years are around.
* 38,000 new cancers. Cancer Registry of Norway, *Cancer in Norway 2023*: 38,094 in 2023, 38,265 in 2022; of them about
  5,260 of the prostate, 4,080 of the breast, 3,320 of the lung, 3,390 of the colon in 2023.
* Ages on the first day: the five-year groups of SSB table 07459 on 1 January 2020, in whole thousands.
* Persons by county: SSB table 07459 on 1 January 2024, in whole thousands (`places`).

Chosen, so that sizes are right and nothing else: 9 million episodes and 40 million dispensings a year, their curves by
age, every share of a diagnosis or a medicine, the spread of frailty, places within a county but for the largest towns.
Births and deaths are scaled by all persons in the files, those who are born or die in the period included: over five
years the crude rates are some per cent above the published ones. Not there at all: migration, seasons, households,
fathers, stillbirths, children of those born in the period, a second cancer.
"""

from dataclasses import dataclass

COUNTRY = 5_500_000  # persons that the yearly figures are for
BIRTHS = 55_000
DEATHS = 44_000
CANCERS = 38_000
EPISODES = 9_000_000
DISPENSINGS = 40_000_000

CHANGED_NUMBER = 0.005  # of all persons: had a D-number before
OBJECTING = 0.01
BOYS = 0.514  # SSB 05803: about 106 boys for each 100 girls
TWINS = 0.0155  # of births, those who are a second child (Medical Birth Registry: 1.5-1.7 per cent multiple)

# From this age on: thousands on 1 January 2020, and the women's share.
AGES: tuple[tuple[int, float, float], ...] = (
    (0, 287, 0.486), (5, 317, 0.487), (10, 325, 0.487), (15, 321, 0.486), (20, 342, 0.484), (25, 373, 0.485),
    (30, 369, 0.486), (35, 354, 0.487), (40, 344, 0.487), (45, 381, 0.487), (50, 371, 0.489), (55, 334, 0.494),
    (60, 310, 0.497), (65, 281, 0.502), (70, 256, 0.507), (75, 170, 0.524), (80, 113, 0.555), (85, 68, 0.606),
    (90, 34, 0.684), (95, 9, 0.757), (100, 1, 0.85),
)  # fmt: skip
AGE_GROUP = 5  # years
DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Wanted:
    """What is to be made: how many persons, the first and the last year, and the seed."""

    persons: int
    first_year: int = 2020
    last_year: int = 2024
    seed: int = 1

    @property
    def years(self) -> int:
        """Return how many calendar years the registers cover."""
        return self.last_year - self.first_year + 1

    def of(self, yearly: int) -> int:
        """Return how many of something there are in the whole period, given how many a year in a whole country."""
        return round(yearly * self.years * self.persons / COUNTRY)
