"""Sites on a Jupyter server: built there or uploaded, kept and served."""
