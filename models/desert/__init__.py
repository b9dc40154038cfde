"""DESERT: models that foresee a blood test's bad result, the conditions they look for, and how they are made."""
