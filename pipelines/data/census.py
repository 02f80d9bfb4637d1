"""From a seed to census.csv: 32,000 invented people in the columns and the file format of UCI Adult.

    python census.py [FILE]     writes census.csv beside this script, or FILE

Nobody in the table exists and no figure in it is a finding: the equations below were chosen so that a pipeline over it
has something to learn, something to protect and something to judge. Each variable is drawn from those before it:

    sex, race, age                      independent of each other;  native-country ~ race
    background                          of the family that one is born to: normal, its mean by race; never shown
    education-num  ~ background, age, sex (fewer years for older women), native-country
    marital-status ~ age, background;  relationship ~ marital-status, sex, age
    occupation     ~ education-num, background, race, sex (a labour market that sex divides)
    workclass      ~ occupation, education-num
    hours-per-week ~ background, sex, relationship, occupation, age, workclass
    capital-gain, capital-loss ~ background, age, education-num, occupation
    income         ~ a logistic model of all that is shown, with a small direct effect of sex and of race

So the incomes of women and men, and of the races, differ through education, occupation, hours and family as well as
directly: a classifier that never sees sex or race still selects the groups at different rates. fnlwgt is noise.
"""

import math
import random
import sys
from pathlib import Path

ROWS = 32_000
SEED = 1994
STEEPNESS = 1.6  # of the income equation: how far from a coin toss the labels are
THRESHOLD = 11.0  # of the income equation: sets the share of the richer class

EDUCATION = (
    "Preschool",
    "1st-4th",
    "5th-6th",
    "7th-8th",
    "9th",
    "10th",
    "11th",
    "12th",
    "HS-grad",
    "Some-college",
    "Assoc-voc",
    "Assoc-acdm",
    "Bachelors",
    "Masters",
    "Prof-school",
    "Doctorate",
)
"""In the order of education-num, which counts from 1."""

RACES = {"White": 0.80, "Black": 0.11, "Asian-Pac-Islander": 0.04, "Amer-Indian-Eskimo": 0.025, "Other": 0.025}
COUNTRIES = {
    "White": {
        "United-States": 0.95,
        "Germany": 0.005,
        "Canada": 0.004,
        "England": 0.003,
        "Italy": 0.003,
        "Poland": 0.002,
        "Portugal": 0.002,
        "Greece": 0.001,
        "France": 0.001,
        "Ireland": 0.001,
        "Yugoslavia": 0.001,
        "Hungary": 0.001,
        "Scotland": 0.001,
        "Holand-Netherlands": 0.0005,
        "Mexico": 0.013,
        "Cuba": 0.003,
        "Puerto-Rico": 0.003,
        "Columbia": 0.0015,
        "El-Salvador": 0.002,
        "Nicaragua": 0.001,
        "Guatemala": 0.001,
        "Peru": 0.001,
        "Iran": 0.001,
    },
    "Black": {
        "United-States": 0.93,
        "Jamaica": 0.022,
        "Haiti": 0.014,
        "Dominican-Republic": 0.012,
        "Trinadad&Tobago": 0.006,
        "Puerto-Rico": 0.006,
        "Honduras": 0.004,
        "Outlying-US(Guam-USVI-etc)": 0.006,
    },
    "Asian-Pac-Islander": {
        "United-States": 0.36,
        "Philippines": 0.19,
        "India": 0.1,
        "Vietnam": 0.07,
        "South": 0.07,
        "China": 0.07,
        "Japan": 0.05,
        "Taiwan": 0.05,
        "Hong": 0.02,
        "Thailand": 0.01,
        "Laos": 0.005,
        "Cambodia": 0.005,
    },
    "Amer-Indian-Eskimo": {
        "United-States": 0.97,
        "Mexico": 0.03,
    },
    "Other": {
        "United-States": 0.47,
        "Mexico": 0.18,
        "Puerto-Rico": 0.13,
        "Ecuador": 0.06,
        "Dominican-Republic": 0.06,
        "Columbia": 0.05,
        "El-Salvador": 0.05,
    },
}
EFFECT_OF_RACE = {"White": 0.0, "Black": -0.3, "Asian-Pac-Islander": 0.05, "Amer-Indian-Eskimo": -0.2, "Other": -0.2}
BACKGROUND = {"White": 0.0, "Black": -0.2, "Asian-Pac-Islander": 0.05, "Amer-Indian-Eskimo": -0.15, "Other": -0.1}

# occupation: (base weight, weight of a year of education beyond ten, log odds for women, effect on income)
OCCUPATIONS = {
    "Exec-managerial": (0.95, 0.28, -0.35, 1.15),
    "Prof-specialty": (0.65, 0.60, 0.15, 0.95),
    "Tech-support": (0.30, 0.15, 0.05, 0.55),
    "Sales": (1.10, 0.08, -0.15, 0.35),
    "Protective-serv": (0.22, 0.02, -1.40, 0.50),
    "Adm-clerical": (1.00, 0.00, 1.30, -0.10),
    "Craft-repair": (1.55, -0.12, -2.40, 0.05),
    "Transport-moving": (0.65, -0.20, -2.00, -0.15),
    "Machine-op-inspct": (0.75, -0.25, -0.30, -0.40),
    "Farming-fishing": (0.35, -0.15, -1.90, -0.85),
    "Handlers-cleaners": (0.50, -0.28, -1.40, -0.70),
    "Other-service": (0.95, -0.22, 0.85, -0.95),
    "Priv-house-serv": (0.03, -0.30, 2.60, -1.60),
    "Armed-Forces": (0.002, 0.00, -2.00, 0.00),
}
MARRIED = ("Married-civ-spouse", "Married-AF-spouse")


def main(arguments: list[str]) -> None:
    target = Path(arguments[0]) if arguments else Path(__file__).resolve().with_name("census.csv")
    target.write_text("".join(", ".join(map(str, row)) + "\n" for row in rows()), encoding="utf-8", newline="\n")


def rows(count: int = ROWS, seed: int = SEED) -> list[tuple[object, ...]]:
    """`count` people, in the order of UCI Adult's columns. The same arguments give the same people everywhere."""
    draw = random.Random(seed)
    return [person(draw) for _ in range(count)]


def person(draw: random.Random) -> tuple[object, ...]:
    """One row of the table."""
    woman = draw.random() < 0.40
    race = choose(draw, RACES)
    age = clamp(17 + draw.gammavariate(2.6, 8.6), 17, 90)
    country = choose(draw, COUNTRIES[race])
    background = draw.gauss(BACKGROUND[race], 1.0)
    years = education(draw, woman, background, age, country)
    marital = marriage(draw, age, background)
    relation = household(draw, woman, marital, age)
    job = occupation(draw, woman, race, background, years)
    work = employer(draw, job, years)
    hours = working_hours(draw, woman, background, relation, job, age, work)
    gain, loss = capital(draw, background, age, years, job)
    rich = income(draw, woman, race, age, years, marital, job, work, hours, gain, loss)
    weight = clamp(draw.lognormvariate(12.03, 0.55), 12285, 1484705)
    shown_work, shown_job = ("?", "?") if draw.random() < 0.05 else (work, job)
    shown_country = "?" if draw.random() < 0.018 else country
    return (
        age,
        shown_work,
        weight,
        EDUCATION[years - 1],
        years,
        marital,
        shown_job,
        relation,
        race,
        "Female" if woman else "Male",
        gain,
        loss,
        hours,
        shown_country,
        ">50K" if rich else "<=50K",
    )


def education(draw: random.Random, woman: bool, background: float, age: int, country: str) -> int:
    """Years of education, counted as in education-num."""
    mean = 10.1 + 2.6 * background - 0.02 * max(age - 45, 0) - 0.35 * (woman and age > 50)
    mean -= 0.8 * (country in ("Mexico", "Guatemala", "El-Salvador"))
    years = round(draw.gauss(mean, 1.3))
    ceiling = 7 if age < 18 else 10 if age < 21 else 13 if age < 24 else 16
    return clamp(years, 1, ceiling)


def marriage(draw: random.Random, age: int, background: float) -> str:
    """Marital status by age, and marriages that last by background."""
    single = 1 / (1 + math.exp((age - 28.5) / 4.2))
    widowed = 0.012 * math.exp(max(age - 45, 0) / 17)
    parted = 0.24 * (1 - single)
    return choose(
        draw,
        {
            "Never-married": single + 0.06,
            "Widowed": min(widowed, 0.4),
            "Divorced": 0.78 * parted,
            "Separated": 0.17 * parted,
            "Married-spouse-absent": 0.05 * parted + 0.004,
            "Married-AF-spouse": 0.0008,
            "Married-civ-spouse": 0.66 * (1 - single) * math.exp(1.5 * background),
        },
    )


def household(draw: random.Random, woman: bool, marital: str, age: int) -> str:
    """Role in the household; the survey calls the man of a couple its husband and the woman its wife."""
    if marital in MARRIED:
        return ("Wife" if woman else "Husband") if draw.random() < 0.985 else "Other-relative"
    child = 0.75 if age < 24 else 0.22 if age < 32 else 0.05
    alone = 0.75
    if marital == "Never-married":
        return choose(draw, {"Own-child": child, "Not-in-family": (1 - child) * alone, "Unmarried": (1 - child) * 0.14,
                             "Other-relative": 0.06})  # fmt: skip
    return choose(draw, {"Not-in-family": 0.52, "Unmarried": 0.55 if woman else 0.25, "Own-child": 0.2 * child,
                         "Other-relative": 0.05})  # fmt: skip


def occupation(draw: random.Random, woman: bool, race: str, background: float, years: int) -> str:
    """Occupation by education and background in a labour market that sex divides, and race a little."""
    weights = {}
    for job, (base, slope, for_women, effect) in OCCUPATIONS.items():
        odds = (
            slope * (years - 10) + for_women * woman + 1.4 * background * effect + 0.45 * EFFECT_OF_RACE[race] * effect
        )
        weights[job] = base * math.exp(odds)
    return choose(draw, weights)


def employer(draw: random.Random, job: str, years: int) -> str:
    """Class of employer by occupation."""
    if job == "Armed-Forces":
        return "Federal-gov"
    public = {"Protective-serv": 6.0, "Prof-specialty": 2.2, "Adm-clerical": 1.6}.get(job, 0.45)
    own = {"Farming-fishing": 4.5, "Exec-managerial": 1.5, "Sales": 1.3, "Craft-repair": 1.3}.get(job, 0.5)
    return choose(
        draw,
        {
            "Private": 0.74,
            "Self-emp-not-inc": 0.08 * own,
            "Self-emp-inc": 0.035 * own * (1 + 0.08 * (years - 10)),
            "Federal-gov": 0.03 * public,
            "Local-gov": 0.065 * public,
            "State-gov": 0.04 * public,
            "Without-pay": 0.0004,
            "Never-worked": 0.0002,
        },
    )


def working_hours(
    draw: random.Random, woman: bool, background: float, relation: str, job: str, age: int, work: str
) -> int:
    """Usual hours a week: forty for most, fewer for women with families, for the young and the old."""
    usual = 41.5 + 6.5 * background - 4.5 * woman - 3.0 * (relation == "Wife") + 2.5 * (relation == "Husband")
    usual += 3.5 * (job == "Exec-managerial") + 4.0 * (job == "Farming-fishing") - 5.0 * (job == "Other-service")
    usual += 3.5 * (work == "Self-emp-inc") - 9.0 * (age < 22) - 9.0 * (age > 64)
    if draw.random() < 0.42 and not (age < 22 or age > 64):
        return 40
    return clamp(draw.gauss(usual, 8.5), 1, 99)


def capital(draw: random.Random, background: float, age: int, years: int, job: str) -> tuple[int, int]:
    """Gain and loss on capital, nought for most and never both."""
    odds = -3.6 + 0.8 * background + 0.022 * (age - 38) + 0.16 * (years - 10) + 0.3 * (job == "Exec-managerial")
    gains = 1 / (1 + math.exp(-odds))
    roll = draw.random()
    if roll < gains:
        amount = draw.lognormvariate(8.55 + 0.05 * (years - 10), 0.85)
        return (99999, 0) if draw.random() < 0.05 else (clamp(amount, 114, 41310), 0)
    if roll < 1.6 * gains:
        return 0, clamp(draw.gauss(1870, 350), 155, 4356)
    return 0, 0


def income(
    draw: random.Random, woman: bool, race: str, age: int, years: int, marital: str, job: str, work: str, hours: int,
    gain: int, loss: int,
) -> bool:  # fmt: skip
    """Whether the income exceeds the threshold: a logistic draw around a linear score."""
    score = 0.42 * years + 0.055 * (hours - 40) + OCCUPATIONS[job][3]
    score += 1.9 - 0.0035 * (age - 50) ** 2 if age < 50 else 1.9 - 0.0012 * (age - 50) ** 2
    score += 2.6 * (marital in MARRIED) + 0.5 * (work in ("Self-emp-inc", "Federal-gov"))
    score += 2.5 * (gain > 5000) + 0.9 * (loss > 1700)
    score += EFFECT_OF_RACE[race] - 0.6 * woman
    return draw.random() < 1 / (1 + math.exp(-STEEPNESS * (score - THRESHOLD + 2.6)))


def choose(draw: random.Random, weights: dict[str, float]) -> str:
    """A key with probability in proportion to its weight."""
    point = draw.random() * sum(weights.values())
    for name, weight in weights.items():
        point -= weight
        if point < 0:
            return name
    return name


def clamp(x: float, low: int, high: int) -> int:
    """The nearest integer within the bounds."""
    return min(max(round(x), low), high)


if __name__ == "__main__":
    main(sys.argv[1:])
