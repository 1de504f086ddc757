"""How well tasks are learnt, inside the interval that they are trained on and outside of it."""
