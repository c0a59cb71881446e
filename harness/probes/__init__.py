"""What measures a trial: one module per thing measured."""
