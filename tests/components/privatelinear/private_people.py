"""Made-up rows of the schema that component_steps has."""

import numpy as np
import pandas as pd


def people(rows: int = 3000, seed: int = 0) -> pd.DataFrame:
    """Rows of PEOPLE: income follows age, hours and grade."""
    draw = np.random.default_rng(seed)
    age, hours = draw.integers(17, 91, rows), np.round(draw.uniform(0, 100, rows), 1)
    grade = draw.integers(1, 4, rows)
    score = (age - 50) / 15 + (hours - 50) / 20 + (grade - 2) + draw.normal(0, 0.7, rows)
    frame = pd.DataFrame(
        {
            "age": age,
            "hours": np.where(draw.random(rows) < 0.05, np.nan, hours),
            "work": draw.choice(np.array(["State-gov", "Private", None], dtype=object), rows),
            "grade": grade,
            "member": draw.random(rows) < 0.5,
            "sex": draw.choice(["Female", "Male"], rows),
            "income": np.where(score > 0, ">50K", "<=50K"),
        }
    )
    return frame.astype(dict.fromkeys(("work", "sex", "income"), object))
